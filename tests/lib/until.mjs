/** Looks until there is something, for at most so many seconds. A look that throws has found nothing. */
export async function until(what, seconds, look) {
  for (const end = Date.now() + seconds * 1000; ;) {
    const found = await Promise.resolve().then(look).catch(() => undefined);
    if (found) return found;
    if (Date.now() > end) throw new Error(`${what}: not within ${seconds} s`);
    await new Promise(resolve => setTimeout(resolve, 50));
  }
}
