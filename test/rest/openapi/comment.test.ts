import { describe, expect, test } from 'vitest';
import { documentation, withoutTags } from '../../../src/rest/openapi/comment.ts';

describe('a comment as documentation', () => {
  test.each([
    ['no comment', null, { summary: null, description: null }],
    ['one line is the summary', 'A tenant.', { summary: 'A tenant.', description: null }],
    [
      'the lines after it are the description',
      'A tenant.\n\nOne customer\nor team.',
      { summary: 'A tenant.', description: 'One customer\nor team.' },
    ],
    [
      'smart tags are not documentation',
      '@unique id\n@behavior -*\nAn agent.\nMore.',
      { summary: 'An agent.', description: 'More.' },
    ],
    ['a comment of tags only has no text', '@behavior -*', { summary: null, description: null }],
    [
      'an at sign after the first line is text',
      'Mail to\n@home',
      { summary: 'Mail to', description: '@home' },
    ],
  ])('%s', (_title, comment, expected) => {
    expect(documentation(comment)).toEqual(expected);
  });

  test('keeps everything except the tags as a description', () => {
    expect(withoutTags('@name x\nFirst.\nSecond.')).toBe('First.\nSecond.');
  });
});
