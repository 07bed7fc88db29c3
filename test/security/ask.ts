/** Sends a request as a tenant, and reads the answer to its end: ten seconds at most. */
export async function ask(
  { url, token }: { readonly url: string; readonly token: string },
  path: string,
  body?: unknown,
): Promise<Response> {
  const response = await fetch(`${url}${path}`, {
    method: body === undefined ? 'GET' : 'POST',
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    signal: AbortSignal.timeout(10_000),
  });
  await response.arrayBuffer();
  return response;
}

/** Resolves when the time is over. */
export function overOf(over: AbortSignal): Promise<void> {
  return new Promise((resolve) => over.addEventListener('abort', () => resolve(), { once: true }));
}
