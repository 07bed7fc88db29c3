import { readFile } from 'node:fs/promises';

const root = new URL('../../', import.meta.url);

/** A fenced block of a page. */
export interface DocBlock {
  /** A place such as `docs/tasks.md:31`, for messages. */
  readonly place: string;
  /** The language that the fence names; empty when it names none. */
  readonly language: string;
  readonly code: string;
  /** The mark in the comment right before the block; null when there is none. */
  readonly mark: Mark | null;
}

/**
 * A comment before a block, which readers of the page do not see:
 * `<!-- not run: why -->`, `<!-- run by test/x.test.ts -->`, `<!-- from src/x.ts -->` (the block is in that file), `<!-- in part -->` (for a shown
 * answer), `<!-- a drawing -->`. A comment that begins with `all blocks: `, anywhere in a page, holds for every block without one.
 */
export type Mark =
  | { readonly kind: 'not run'; readonly why: string }
  | { readonly kind: 'run by'; readonly file: string }
  | { readonly kind: 'from'; readonly file: string }
  | { readonly kind: 'in part' }
  | { readonly kind: 'a drawing' };

/**
 * Every fenced block of a page in order. `page` is relative to the project. Rejects when a comment before a block is
 * not a `Mark`.
 */
export async function blocksOf(page: string): Promise<DocBlock[]> {
  const text = await readFile(new URL(page, root), 'utf8');
  const [, forAll] = /^<!-- all blocks: (.*?) -->$/m.exec(text) ?? [];
  const fenced =
    /(?:^ *<!-- (?<comment>[^\n]*) -->\n+)?^(?<indent> *)```(?<language>\w*)\n(?<written>.*?)^\k<indent>```$/gms;
  return [...text.matchAll(fenced)].map((match) => {
    const { comment, indent = '', language = '', written = '' } = match.groups ?? {};
    const code = written.replaceAll(new RegExp(`^${indent}`, 'gm'), '');
    const line = text.slice(0, match.index + match[0].indexOf('```')).split('\n').length;
    const place = `${page}:${line}`;
    const own = comment?.startsWith('all blocks: ') === true ? forAll : (comment ?? forAll);
    return { place, language, code, mark: own === undefined ? null : markOf(own, place) };
  });
}

/** The code of a page in this language, block by block, unchanged. `page` is relative to the project. */
export async function docBlocks(page: string, language: string): Promise<string[]> {
  return (await blocksOf(page)).filter((block) => block.language === language).map(({ code }) => code);
}

function markOf(comment: string, place: string): Mark {
  const [, why] = /^not run: (\S.*)$/.exec(comment) ?? [];
  if (why !== undefined) return { kind: 'not run', why };
  const [, file] = /^run by (test\/\S+\.ts)$/.exec(comment) ?? [];
  if (file !== undefined) return { kind: 'run by', file };
  const [, source] = /^from ((?:src|sql|test)\/\S+)$/.exec(comment) ?? [];
  if (source !== undefined) return { kind: 'from', file: source };
  if (comment === 'in part' || comment === 'a drawing') return { kind: comment };
  throw new Error(`${place}: "${comment}" is not a mark of a block`);
}
