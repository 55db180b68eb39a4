// What a hook throws, told in the extension's log before the call fails.
import { error } from 'tidings:extension/log@0.1.0';

/** What the host refuses an effect or a view with. */
const REFUSALS = ['denied', 'invalid', 'exhausted'];

/** A function of a hook. */
export function watched(extension, hook, name) {
  if (typeof extension[hook]?.[name] !== 'function') throw new TypeError(`the extension exports no ${hook}.${name}: write \`export const ${hook} = { ${name}(...) { ... } }\``);
  return (...args) => {
    try {
      return extension[hook][name](...args);
    } catch (thrown) {
      const refusal = thrown?.payload ?? thrown;
      if (REFUSALS.includes(refusal?.tag) && typeof refusal.val === 'string') error(`the host refused something, and nobody caught it: ${refusal.tag}: ${refusal.val}`);
      else if (thrown instanceof Error) error(`${thrown.name}: ${thrown.message}\n${thrown.stack ?? ''}`.trimEnd());
      // What a hook refuses with is an object; whatever else is thrown without being an `Error` has only its text.
      else if (typeof thrown !== 'object' || thrown === null) error(`thrown: ${String(thrown)}`);
      throw thrown;
    }
  };
}
