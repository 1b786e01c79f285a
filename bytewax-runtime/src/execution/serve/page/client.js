// Reads the responses of the run. The token of a viewer stays in this tab.

const KEY = "bytewax-token";

export class NeedsToken extends Error {}

export function takeTokenOfAddress() {
  const parameters = new URLSearchParams(location.hash.slice(1));
  const token = parameters.get("token");
  if (!token) return;
  setToken(token);
  parameters.delete("token");
  const rest = parameters.toString();
  history.replaceState(null, "", rest ? `#${rest}` : location.pathname);
}

export function setToken(token) {
  sessionStorage.setItem(KEY, token);
}

export const ownToken = () => sessionStorage.getItem(KEY);

export async function get(path, limit = 5000) {
  const token = ownToken();
  const response = await fetch(`/api/v1/${path}`, {
    headers: token ? { Authorization: `Bearer ${token}` } : {},
    cache: "no-store",
    signal: AbortSignal.timeout(limit),
  });
  if (response.status === 401) throw new NeedsToken();
  if (!response.ok) throw new Error(`${response.status}: ${(await response.text()).trim()}`);
  return response.json();
}
