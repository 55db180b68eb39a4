/** The page coming back or the network returning: a reason not to wait any longer. */

/**
 * @param {() => void} task
 * @returns {() => void} stops it
 */
export function onForeground(task) {
  const page = globalThis.document;
  if (!page || typeof globalThis.addEventListener !== 'function') return () => {};
  const visible = () => {
    if (page.visibilityState === 'visible') task();
  };
  globalThis.addEventListener('online', task);
  page.addEventListener('visibilitychange', visible);
  return () => {
    globalThis.removeEventListener('online', task);
    page.removeEventListener('visibilitychange', visible);
  };
}
