/** Exit statuses, the same for every command; docs/commands.md lists them. */
export const exitStatus = { ok: 0, failed: 1, usage: 2, notReady: 3 } as const;
