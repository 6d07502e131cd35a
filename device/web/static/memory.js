// What this tab remembers while it is open.

// Null where the browser lets pages remember nothing.
export function memory() {
  try {
    return window.sessionStorage;
  } catch {
    return null;
  }
}
