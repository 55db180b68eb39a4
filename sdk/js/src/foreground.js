/** The page coming back or the network changing: a reason not to wait any longer. */

/**
 * @param {{ back: () => void, lost: () => void, found: () => void }} tasks the page comes back; the network goes; it is there again
 * @returns {() => void} stops it
 */
export function onForeground({ back, lost, found }) {
  const page = globalThis.document;
  if (!page || typeof globalThis.addEventListener !== 'function') return () => {};
  const visible = () => {
    if (page.visibilityState === 'visible') back();
  };
  globalThis.addEventListener('online', found);
  globalThis.addEventListener('offline', lost);
  page.addEventListener('visibilitychange', visible);
  return () => {
    globalThis.removeEventListener('online', found);
    globalThis.removeEventListener('offline', lost);
    page.removeEventListener('visibilitychange', visible);
  };
}
