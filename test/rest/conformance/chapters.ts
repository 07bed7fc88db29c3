import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { Chapter } from './conformance-case.ts';
import { readChapter } from './read-chapter.ts';

/** The reference pages of PostgREST's documentation at its major version 16, below `references/`; each is a chapter. */
export const referencePages = [
  'admin_server',
  'api/aggregate_functions',
  'api/computed_fields',
  'api/cors',
  'api/domain_representations',
  'api/functions',
  'api/media_type_handlers',
  'api/openapi',
  'api/options',
  'api/pagination_count',
  'api/preferences',
  'api/resource_embedding',
  'api/resource_representation',
  'api/schemas',
  'api/tables_views',
  'api/url_grammar',
  'api/vary_header',
  'auth',
  'cli',
  'configuration',
  'connection_pool',
  'errors',
  'http_server',
  'listener',
  'observability',
  'schema_cache',
  'transactions',
] as const;

/** The cases of every page; a page without a file has none. */
export function readChapters(): readonly Chapter[] {
  return referencePages.map((page) => {
    const file = fileURLToPath(new URL(`chapters/${page}.http`, import.meta.url));
    return existsSync(file) ? readChapter(page, readFileSync(file, 'utf8')) : { page, cases: [] };
  });
}

/** A line per chapter with the number of its cases, and the chapters without any. */
export function summaryOf(chapters: readonly Chapter[]): string {
  const withCases = chapters.filter(({ cases }) => cases.length > 0);
  const without = chapters.filter(({ cases }) => cases.length === 0);
  const total = withCases.reduce((sum, { cases }) => sum + cases.length, 0);
  return [
    `REST conformance: ${total} cases of ${withCases.length} chapters`,
    ...withCases.map(({ page, cases }) => `  ${String(cases.length).padStart(4)} ${page}`),
    `  without cases: ${without.map(({ page }) => page).join(', ') || 'none'}`,
  ].join('\n');
}
