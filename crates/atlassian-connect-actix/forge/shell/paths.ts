// Paths of the product's site that a page may name.

/** A placeholder origin for parsing a path. */
const SITE = 'https://site.invalid';

/**
 * The path as the browser resolves it, if it cannot lead to another server. `//host`, `/\host` and `/.//host` do, and
 * so may any path with a control character, which browsers drop before they parse it.
 */
export function sitePath(path: string): string {
  const refuse = (): never => {
    throw new Error(`"${path}" is not a path of the site. Paths begin with one slash, as in /rest/api/3/myself.`);
  };
  if (typeof path !== 'string' || !/^\/(?!\/)/.test(path) || /[\u0000-\u001f\u007f\\]/.test(path)) refuse();
  const { origin, pathname, search, hash } = new URL(path, SITE);
  if (origin !== SITE || pathname.startsWith('//')) refuse();
  return pathname + search + hash;
}
