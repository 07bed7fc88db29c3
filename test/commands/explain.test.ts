import { describe, expect, test } from 'vitest';
import { lightningHere } from '../support/lightning-here.ts';

/** The help of a command. */
const helpOf = async (command: readonly string[]): Promise<string> => {
  const { status, stdout } = await lightningHere([...command, '--help'], {});
  expect(status).toBe(0);
  return stdout;
};

/** Every command and subcommand, as the helps list them. */
async function commands(above: readonly string[] = []): Promise<string[][]> {
  const [, listed = ''] = /^Commands:\n((?: {2}.*\n?)+)/m.exec(await helpOf(above)) ?? [];
  const names = [...listed.matchAll(/^ {2}([a-z-]+)/gm)].map(([, name = '']) => name);
  const own = names.filter((name) => name !== 'help').map((name) => [...above, name]);
  const below = await Promise.all(own.map(commands));
  return [...own, ...below.flat()];
}

describe('the help', () => {
  test('of every command has an example of it, and its variables with their defaults', async () => {
    const all = await commands();
    expect(all.length).toBeGreaterThan(24);
    for (const command of all) {
      const help = await helpOf(command);
      expect(help, command.join(' ')).toMatch(/^Examples?:$/m);
      expect(help.split(/^Examples?:$/m)[1], command.join(' ')).toContain(`lightning ${command.join(' ')}`);
      expect(help, command.join(' ')).toMatch(/^Variables:\n {2}[A-Z][A-Z0-9_]+ +\S/m);
    }
  });

  test('of start names what it takes, and the defaults', async () => {
    const help = await helpOf(['start']);
    expect(help).toMatch(/--port <port> .*instead of PORT/);
    expect(help).toMatch(/^ {2}PORT +port that the API listens on; .*\(default: 3000\)$/m);
    expect(help).toMatch(/^ {2}DATA_DIR .*\(default: data\)$/m);
    expect(help).not.toContain('`');
  });

  test('of rest names PostgREST’s variables', async () => {
    expect(await helpOf(['rest'])).toMatch(/^ {2}PGRST_SERVER_PORT +.*\(default: 3000\)$/m);
  });

  test('of lightning itself has an example', async () => {
    expect(await helpOf([])).toContain('lightning start');
  });
});
