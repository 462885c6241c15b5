/**
 * Figures as SVG text: horizontal bars with a mark where each is to reach, and a line over time.
 *
 * Colours are of middling lightness, so that they show on white and on black, and lighter ones are taken where the reader
 * prefers dark. Each figure says in words what it shows, for whoever cannot see it.
 *
 * @module
 */
import type { Point } from './stats.ts';

const WIDTH = 760;
const MARGIN = 16;
const TITLE_HEIGHT = 44;
const ROW_HEIGHT = 30;
const BAR_HEIGHT = 16;
const LABEL_WIDTH = 240;
/** Beside the longest bar, for what is written after it. */
const VALUE_WIDTH = 120;
/** What is written after a bar is no wider. */
const TEXT_WIDTH = 90;
const PLOT_HEIGHT = 220;
const TICK_WIDTH = 64;

const STYLE = `
    text { font: 13px system-ui, -apple-system, 'Segoe UI', Roboto, sans-serif; fill: #667180; }
    .title { font-size: 15px; font-weight: 600; }
    .small { font-size: 11px; }
    .own { fill: #2f7fd1; } .other { fill: #919aa5; }
    .mark { stroke: #d1701f; stroke-width: 2; } .mark-text { fill: #b85f17; font-size: 11px; }
    .axis { stroke: #8c959f; stroke-opacity: 0.45; }
    .line { fill: none; stroke: #2f7fd1; stroke-width: 1.6; } .fit { stroke: #d1701f; stroke-width: 2; stroke-dasharray: 6 4; }
    @media (prefers-color-scheme: dark) {
      text { fill: #b1bac4; }
      .own { fill: #58a6ff; } .other { fill: #6e7681; }
      .mark, .fit { stroke: #f0a35e; } .mark-text { fill: #f0a35e; }
      .line { stroke: #58a6ff; }
    }
  `;

export interface Bar {
  readonly label: string;
  readonly value: number;
  /** What is written after it. */
  readonly text: string;
  /** Ours, or what it is compared with. */
  readonly tone: 'own' | 'other';
  /** Where it is to reach, or not to pass. */
  readonly mark?: { readonly value: number; readonly text: string };
}

export interface Titled {
  readonly title: string;
  /** A sentence or two for whoever cannot see it. */
  readonly description: string;
}

/** @throws Error where there is no bar */
export function barChart({ title, description, bars }: Titled & { readonly bars: readonly Bar[] }): string {
  if (bars.length === 0) throw new Error('a bar chart needs a bar');
  const longest = Math.max(...bars.flatMap(({ value, mark }) => [value, mark?.value ?? 0]));
  const scale = (WIDTH - 2 * MARGIN - LABEL_WIDTH - VALUE_WIDTH) / (longest || 1);
  const x0 = MARGIN + LABEL_WIDTH;
  const rows = bars.flatMap(({ label, value, text, tone, mark }, row) => {
    const y = TITLE_HEIGHT + row * ROW_HEIGHT;
    const middle = y + BAR_HEIGHT - 3;
    const end = x0 + value * scale;
    const markX = mark === undefined ? -1 : x0 + mark.value * scale;
    // After the bar, or after the mark where that is in the way.
    const textX = markX >= end && markX < end + TEXT_WIDTH ? markX + 6 : end + 6;
    return [
      `<text x="${x0 - 8}" y="${middle}" text-anchor="end">${escaped(label)}</text>`,
      `<rect class="${tone}" x="${x0}" y="${y}" width="${px(value * scale)}" height="${BAR_HEIGHT}" rx="2"/>`,
      `<text x="${px(textX)}" y="${middle}">${escaped(text)}</text>`,
      ...(mark === undefined
        ? []
        : [
            `<path class="mark" d="M${px(markX)} ${y - 3}v${BAR_HEIGHT + 6}"/>`,
            `<text class="mark-text" x="${px(markX)}" y="${y + BAR_HEIGHT + 12}" text-anchor="middle">${escaped(mark.text)}</text>`,
          ]),
    ];
  });
  const axis = `<path class="axis" d="M${x0} ${TITLE_HEIGHT - 6}v${bars.length * ROW_HEIGHT + 4}"/>`;
  return document({ title, description }, TITLE_HEIGHT + bars.length * ROW_HEIGHT + MARGIN, [axis, ...rows]);
}

export interface LineChart extends Titled {
  readonly points: readonly Point[];
  /** A straight line through them, from an x on. */
  readonly fit: { readonly fromX: number; readonly slope: number; readonly atZero: number; readonly text: string };
  /** Under the last x, and over the highest y. */
  readonly xText: string;
  readonly yText: string;
}

/** The y axis begins at 0, so that what is flat looks flat. @throws Error with fewer than two points */
export function lineChart({ title, description, points, fit, xText, yText }: LineChart): string {
  if (points.length < 2) throw new Error('a line needs two points');
  const lastX = Math.max(...points.map(([x]) => x)) || 1;
  const highest = roundUp(Math.max(...points.map(([, y]) => y)));
  const left = MARGIN + TICK_WIDTH;
  const width = WIDTH - MARGIN - left;
  const bottom = TITLE_HEIGHT + PLOT_HEIGHT;
  const at = (x: number, y: number): string =>
    `${px(left + (x / lastX) * width)} ${px(bottom - (y / highest) * PLOT_HEIGHT)}`;
  const ticks = [0, 0.25, 0.5, 0.75, 1].map((share) => share * highest);
  const end = (x: number): string => at(x, fit.atZero + fit.slope * x);
  return document({ title, description }, bottom + 40, [
    ...ticks.flatMap((y) => [
      `<path class="axis" d="M${at(0, y)}h${px(width)}"/>`,
      `<text class="small" x="${left - 8}" y="${px(bottom - (y / highest) * PLOT_HEIGHT + 4)}" text-anchor="end">${tickText(y)}</text>`,
    ]),
    `<text class="small" x="${left - 8}" y="${TITLE_HEIGHT - 10}" text-anchor="end">${escaped(yText)}</text>`,
    `<path class="line" d="M${points.map(([x, y]) => at(x, y)).join('L')}"/>`,
    `<path class="fit" d="M${end(fit.fromX)}L${end(lastX)}"/>`,
    `<text class="small" x="${left}" y="${bottom + 18}">0</text>`,
    `<text class="small" x="${WIDTH - MARGIN}" y="${bottom + 18}" text-anchor="end">${escaped(xText)}</text>`,
    `<text class="mark-text" x="${px(left + width / 2)}" y="${bottom + 30}" text-anchor="middle">${escaped(fit.text)}</text>`,
  ]);
}

function document({ title, description }: Titled, height: number, body: readonly string[]): string {
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" width="${WIDTH}" height="${height}" role="img" aria-labelledby="title desc">`,
    `  <title id="title">${escaped(title)}</title>`,
    `  <desc id="desc">${escaped(description)}</desc>`,
    `  <style>${STYLE}</style>`,
    `  <text class="title" x="${MARGIN}" y="22">${escaped(title)}</text>`,
    ...body.map((line) => `  ${line}`),
    '</svg>',
    '',
  ].join('\n');
}

/** What XML gives a meaning, and characters that it does not know at all. */
function escaped(text: string): string {
  return text
    .toWellFormed()
    .replaceAll(/[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\u{10000}-\u{10ffff}]/gu, '')
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;');
}

function px(value: number): string {
  return Number(value.toFixed(1)).toString();
}

/** The next 1, 2, 4 or 8 of its power of ten: a quarter of it reads well. */
function roundUp(value: number): number {
  if (!(value > 0)) return 1;
  const power = 10 ** Math.floor(Math.log10(value));
  return ([1, 2, 4, 8, 10].find((step) => step * power >= value) ?? 10) * power;
}

function tickText(value: number): string {
  return value.toLocaleString('en-US', { maximumFractionDigits: 2 });
}
