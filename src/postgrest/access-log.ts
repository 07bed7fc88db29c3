import type { Answered } from '../rest/answered.ts';
import type { PostgrestConfig } from './config.ts';

/** The lowest status that each level logs; `crit` logs none. */
const leastStatus = { crit: Infinity, error: 500, warn: 400, info: 0, debug: 0 } as const satisfies Record<
  PostgrestConfig['logLevel'],
  number
>;

const months = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];

/**
 * One line of an access log, in Apache's combined format as PostgREST writes it (Observability, Logs); null if the level
 * does not log it. The body's size is unknown here and stays `-`.
 */
export function accessLogLine(
  { request, status, requester }: Answered,
  level: PostgrestConfig['logLevel'],
  now: Date,
): string | null {
  if (status < leastStatus[level]) return null;
  const { method, url, httpVersion, headers, socket } = request;
  const line = `${method} ${url} HTTP/${httpVersion}`;
  const address = (socket.remoteAddress ?? '-').replace(/^::ffff:/, '');
  return `${address} - ${requester?.role ?? '-'} [${apacheTime(now)}] "${line}" ${status} - "${headers.referer ?? ''}" "${headers['user-agent'] ?? ''}"`;
}

function apacheTime(now: Date): string {
  const [date = '', time = ''] = now.toISOString().split('T');
  const [year, month, day] = date.split('-');
  return `${day}/${months[Number(month) - 1]}/${year}:${time.slice(0, 8)} +0000`;
}
