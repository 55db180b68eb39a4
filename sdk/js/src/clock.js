/** The system's time and timers, behind the interface that tests replace. */

/** @type {import('../types/index.js').Clock} */
export const systemClock = {
  now: () => Date.now(),
  setTimeout: (task, ms) => setTimeout(task, ms),
  clearTimeout: (timer) => clearTimeout(/** @type {any} */ (timer)),
};
