import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import fc from 'fast-check';
import { barChart, lineChart, type Bar } from '../../../bench/svg.ts';

/** A strict reader of the small XML that we write: gives the names of the elements, or throws. */
function elementsOf(xml: string): readonly string[] {
  const open: string[] = [];
  const found: string[] = [];
  const token = /<(?<close>\/)?(?<name>[a-z]+)(?<attributes>(?: [a-zA-Z:-]+="[^"<]*")*)(?<empty>\/)?>|(?<text>[^<]+)/y;
  while (token.lastIndex < xml.length) {
    const { close, name, attributes, empty, text } = token.exec(xml)?.groups ?? {};
    if (text !== undefined || attributes !== undefined) {
      const content = text ?? attributes ?? '';
      assert.doesNotMatch(content, /&(?!amp;|lt;|gt;|quot;)/);
      // oxlint-disable-next-line no-control-regex
      assert.doesNotMatch(content, /[\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff]/);
    }
    if (name !== undefined) {
      if (close !== undefined) assert.equal(open.pop(), name);
      else {
        found.push(name);
        if (empty === undefined) open.push(name);
      }
    } else if (text === undefined) assert.fail(`not XML at ${token.lastIndex}`);
    else if (open.length === 0) assert.equal(text.trim(), '');
  }
  assert.deepEqual(open, []);
  assert.equal(found[0], 'svg');
  return found;
}

const text = fc.string({ unit: 'binary' });
const size = fc.double({ min: 0, max: 1e6, noNaN: true });
const bar: fc.Arbitrary<Bar> = fc.record(
  {
    label: text,
    value: size,
    text,
    tone: fc.constantFrom('own', 'other'),
    mark: fc.record({ value: size, text }),
  },
  { requiredKeys: ['label', 'value', 'text', 'tone'] },
);

suite('bar chart', () => {
  test('is well-formed whatever is written in it', () => {
    fc.assert(
      fc.property(text, text, fc.array(bar, { minLength: 1, maxLength: 9 }), (title, description, bars) => {
        const elements = elementsOf(barChart({ title, description, bars }));
        assert.equal(elements.filter((name) => name === 'rect').length, bars.length);
      }),
    );
  });

  test('has words for whoever cannot see it, and colours for whoever prefers dark', () => {
    const svg = barChart({
      title: 'P-256 & others',
      description: 'P-256: 18,000/s.',
      bars: [{ label: 'P-256', value: 18_000, text: '18,000/s', tone: 'own' }],
    });
    assert.match(svg, /<title id="title">P-256 &amp; others<\/title>/);
    assert.match(svg, /<desc id="desc">P-256: 18,000\/s\.<\/desc>/);
    assert.match(svg, /prefers-color-scheme: dark/);
  });

  test('a bar twice as long is drawn twice as wide, and a mark lies where the bar would end', () => {
    const svg = barChart({
      title: '',
      description: '',
      bars: [
        { label: 'a', value: 100, text: '', tone: 'own' },
        { label: 'b', value: 50, text: '', tone: 'own', mark: { value: 100, text: '100' } },
      ],
    });
    const widths = [...svg.matchAll(/<rect class="own" x="(\d+)" y="\d+" width="([\d.]+)"/g)];
    assert.equal(Number(widths[0]![2]), 2 * Number(widths[1]![2]));
    const end = Number(widths[0]![1]) + Number(widths[0]![2]);
    assert.match(svg, new RegExp(`<path class="mark" d="M${end} `));
  });

  test('without a bar is refused', () => {
    assert.throws(() => barChart({ title: '', description: '', bars: [] }), /needs a bar/);
  });
});

suite('line chart', () => {
  const fit = { fromX: 1, slope: 0, atZero: 10, text: '+0 MiB an hour' };
  const titled = { title: 'Memory', description: 'Flat.', xText: '60 min', yText: 'MiB' };

  test('is well-formed whatever is written in it', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(size, size), { minLength: 2, maxLength: 50 }), text, (points, words) => {
        elementsOf(lineChart({ ...titled, title: words, xText: words, points, fit: { ...fit, text: words } }));
      }),
    );
  });

  test('draws what is flat as a level line above the middle of an axis that begins at 0', () => {
    const svg = lineChart({
      ...titled,
      fit: { ...fit, fromX: 0 },
      points: [
        [0, 10],
        [1, 10],
      ],
    });
    const [, y0, y1] = /<path class="line" d="M[\d.]+ ([\d.]+)L[\d.]+ ([\d.]+)"/.exec(svg)!;
    assert.equal(y0, y1);
    assert.match(svg, />0<\/text>/);
  });

  test('with one point is refused', () => {
    assert.throws(() => lineChart({ ...titled, fit, points: [[0, 1]] }), /two points/);
  });
});
