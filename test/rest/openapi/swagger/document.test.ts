import { Validator } from '@seriousme/openapi-schema-validator';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { emptyDataDirectory } from '../../../support/embedded-template.ts';
import { ConformanceServers } from '../../conformance/conformance-servers.ts';
import { embeddedConformanceDatabase } from '../../conformance/embedded-database.ts';
import type { ConformanceDatabase } from '../../conformance/load-schema.ts';

type Swagger = Readonly<Record<string, unknown>> & {
  readonly paths: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
  readonly definitions: Readonly<Record<string, unknown>>;
};

/**
 * The schemas of the conformance suite, names and types of all sorts included. chapters/api/openapi.http compares the
 * document field by field.
 */
const schemas = ['cinema', 'stage', 'corners'];

describe('the OpenAPI 2.0 document of lightning rest', () => {
  let database: ConformanceDatabase;
  let servers: ConformanceServers;
  beforeAll(async () => {
    database = await embeddedConformanceDatabase(await emptyDataDirectory());
    servers = new ConformanceServers(database.database);
  }, 60_000);
  afterAll(async () => {
    await servers?.close();
    await database?.close();
  });

  const documentOf = async (
    schema: string,
    options: Readonly<Record<string, string>> = {},
    accept = 'application/openapi+json',
  ): Promise<Swagger> => {
    const url = await servers.url(new Map([['db-schemas', schemas.join(',')], ...Object.entries(options)]));
    const response = await fetch(url, { headers: { accept, 'accept-profile': schema } });
    expect(response.headers.get('content-type')).toBe('application/openapi+json; charset=utf-8');
    expect(response.status).toBe(200);
    return (await response.json()) as Swagger;
  };

  test.each(schemas)(
    'is valid Swagger 2.0 for the schema %s, and every $ref leads somewhere',
    async (schema) => {
      for (const mode of ['follow-privileges', 'ignore-privileges']) {
        for (const active of ['true', 'false']) {
          const options = { 'openapi-mode': mode, 'openapi-security-active': active };
          const document = await documentOf(schema, options);
          expect(await new Validator().validate(structuredClone(document))).toEqual({ valid: true });
          expect(document['swagger']).toBe('2.0');
          const references = referencesIn(document);
          expect(references.length).toBeGreaterThan(10);
          expect(references.filter((reference) => resolved(document, reference) === undefined)).toEqual([]);
        }
      }
    },
  );

  test('is what every client without a browser gets', async () => {
    for (const accept of ['*/*', 'application/json', 'application/json, text/plain, */*']) {
      expect(await documentOf('cinema', {}, accept)).toMatchObject({ swagger: '2.0' });
    }
  });

  test('has paths that are no templates, whatever a relation is called', async () => {
    const run = (text: string) => database.database.query({ text });
    await run('create table cinema."100%? {x}/y" (id int primary key)');
    await run('grant select on cinema."100%? {x}/y" to conf_anon');
    const fresh = new ConformanceServers(database.database);
    try {
      const response = await fetch(await fresh.url(new Map()));
      const document = (await response.json()) as Swagger;
      expect(await new Validator().validate(structuredClone(document))).toEqual({ valid: true });
      expect(document.paths).toHaveProperty(['/100%25%3F %7Bx%7D/y']);
      expect(document.definitions).toHaveProperty(['100%? {x}/y']);
      const references = referencesIn(document).filter((reference) => reference.includes('100'));
      expect(references.length).toBeGreaterThan(1);
      expect(references.filter((reference) => resolved(document, reference) === undefined)).toEqual([]);
    } finally {
      await fresh.close();
      await run('drop table cinema."100%? {x}/y"');
    }
  });
});

function referencesIn(value: unknown): string[] {
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([key, each]) =>
    key === '$ref' && typeof each === 'string' ? [each] : referencesIn(each),
  );
}

/** Undefined: the reference leads nowhere. */
function resolved(document: unknown, reference: string): unknown {
  return reference
    .replace('#/', '')
    .split('/')
    .map((step) => decodeURIComponent(step).replaceAll('~1', '/').replaceAll('~0', '~'))
    .reduce<unknown>(
      (here, key) =>
        typeof here === 'object' && here !== null ? (here as Record<string, unknown>)[key] : undefined,
      document,
    );
}
