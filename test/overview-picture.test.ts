import { readFile } from 'node:fs/promises';
import { expect, test } from 'vitest';

// docs/overview.svg is shown on a background that depends on the reader's theme, and cannot know which.

const picture = await readFile(new URL('../docs/overview.svg', import.meta.url), 'utf8');
/** The backgrounds of GitHub and most other sites. */
const backgrounds = ['#ffffff', '#0d1117'];
/** The minimal contrasts of WCAG: for large text and graphics, and for other text. */
const [graphics, text] = [3, 4.5];

test('lines and headings, which have the page as background, are visible on light and dark', () => {
  const outside = [
    ...picture.matchAll(/<(?:g|path)[^>]* (?:stroke|fill)="(#[0-9a-f]{6})"(?=[^>]*>\s*<(?:text|path)|\/>)/g),
  ]
    .map(([, colour = '']) => colour)
    .filter((colour) => colour !== '#ffffff');
  expect(outside.length).toBeGreaterThan(2);
  for (const colour of outside) {
    for (const background of backgrounds) expect(contrast(colour, background)).toBeGreaterThan(graphics);
  }
});

test('white text is readable on every box', () => {
  const boxes = [
    ...picture.matchAll(/<(?:g fill="(#[0-9a-f]{6})">\s*<rect|rect [^>]*fill="(#[0-9a-f]{6})")/g),
  ].map(([, group, own]) => group ?? own ?? '');
  expect(boxes).toHaveLength(5);
  for (const box of boxes) expect(contrast('#ffffff', box)).toBeGreaterThan(text);
});

/** The contrast ratio of WCAG 2.2. */
function contrast(one: string, other: string): number {
  const [lighter = 0, darker = 0] = [luminance(one), luminance(other)].toSorted((a, b) => b - a);
  return (lighter + 0.05) / (darker + 0.05);
}

function luminance(colour: string): number {
  const [red = 0, green = 0, blue = 0] = [1, 3, 5].map((at) => {
    const value = Number.parseInt(colour.slice(at, at + 2), 16) / 255;
    return value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
}
