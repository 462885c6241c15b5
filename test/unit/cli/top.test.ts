import assert from 'node:assert/strict';
import { PassThrough } from 'node:stream';
import { suite, test } from 'node:test';
import { FullScreen } from '../../../src/cli/top/full-screen.ts';
import { Scrape } from '../../../src/cli/top/scrape.ts';
import { bytes, count, screenOf, span } from '../../../src/cli/top/screen.ts';
import { quantile, viewOf } from '../../../src/cli/top/view.ts';
import type { Terminal } from '../../../src/cli/terminal.ts';

/** A scrape with so many requests, each of which took at most 5 ms. */
function scrape(atMs: number, sign: number, denied: number, started = 1000): Scrape {
  const of = (le: string, value: number): string =>
    `claviger_request_duration_seconds_bucket{operation="Sign",tenant="a",provider="software",le="${le}"} ${value}`;
  return Scrape.parse(
    [
      '# HELP claviger_requests_total Requests',
      '# TYPE claviger_requests_total counter',
      `claviger_requests_total{operation="Sign",tenant="a",provider="software",code="OK"} ${sign}`,
      `claviger_requests_total{operation="Encrypt",tenant="b",provider="_none",code="PERMISSION_DENIED"} ${denied}`,
      of('0.001', 0),
      of('0.005', sign),
      of('+Inf', sign),
      'claviger_audit_available 1',
      `claviger_audit_records_total ${sign + denied}`,
      'claviger_build_info{version="9.9.9"} 1',
      `process_start_time_seconds ${started}`,
      '',
    ].join('\n'),
    atMs,
  );
}

suite('a scrape', () => {
  test('gives samples by name and labels, and sums over the labels that are not named', () => {
    const found = Scrape.parse('m{a="1",b="x"} 2\nm{a="1",b="y"} 3\nm{a="2",b="x"} 10\nn 4.5\n', 0);
    assert.equal(found.value('m'), 15);
    assert.equal(found.value('m', { a: '1' }), 5);
    assert.equal(found.value('m', { a: '1', b: 'y' }), 3);
    assert.equal(found.value('m', { a: '3' }), null);
    assert.equal(found.value('n'), 4.5);
  });

  test('reads labels with quotes, backslashes, braces and line feeds', () => {
    const { labels } = Scrape.parse('m{a="x\\"y\\\\z\\nw",b="{1,2}"} 1\n', 0).all('m')[0]!;
    assert.deepEqual(labels, { a: 'x"y\\z\nw', b: '{1,2}' });
  });

  test('is refused where it is something else', () => {
    assert.throws(() => Scrape.parse('<!doctype html><html>', 0), /the server answered no metrics/);
  });
});

suite('a quantile', () => {
  const buckets = [
    [1, 0],
    [2, 50],
    [4, 100],
    [Infinity, 100],
  ] as const;

  test('lies within its bucket, in proportion', () => {
    assert.equal(quantile(buckets, 0.25), 1.5);
    assert.equal(quantile(buckets, 0.5), 2);
    assert.equal(quantile(buckets, 0.99), 3.96);
  });

  test('beyond the last bound is that bound; of nothing it is nothing', () => {
    assert.equal(
      quantile(
        [
          [1, 0],
          [Infinity, 10],
        ],
        0.5,
      ),
      1,
    );
    assert.equal(quantile([[1, 0]], 0.5), null);
    assert.equal(quantile([], 0.5), null);
  });
});

suite('a view', () => {
  test('has the rates and latencies of the time between two scrapes, the busiest first', () => {
    const view = viewOf(scrape(0, 100, 10), scrape(2000, 300, 20), 'operation');
    assert.equal(view.version, '9.9.9');
    assert.equal(view.total.perSecond, 105);
    assert.equal(view.total.errorsPerSecond, 5);
    assert.deepEqual(
      view.rows.map(({ name, perSecond, errorsPerSecond, commonError }) => [
        name,
        perSecond,
        errorsPerSecond,
        commonError,
      ]),
      [
        ['Sign', 100, 0, null],
        ['Encrypt', 5, 5, 'PERMISSION_DENIED'],
      ],
    );
    assert.deepEqual([view.rows[0]!.p50Ms, view.rows[1]!.p50Ms], [3, null]);
    assert.equal(view.audit.perSecond, 105);
  });

  test('is by tenant where that is asked for', () => {
    const view = viewOf(scrape(0, 100, 10), scrape(1000, 101, 11), 'tenant');
    assert.deepEqual(view.rows.map(({ name }) => name).sort(), ['a', 'b']);
  });

  test('of a server that began anew counts from its start, not backwards', () => {
    const view = viewOf(scrape(0, 5000, 10), scrape(1000, 7, 0), 'operation');
    assert.equal(view.rows.find(({ name }) => name === 'Sign')!.perSecond, 7);
    assert.ok(view.rows.every(({ perSecond }) => perSecond >= 0));
  });
});

suite('the screen', () => {
  const view = viewOf(scrape(0, 100, 10), scrape(1000, 12_445, 20), 'operation');
  const lines = (width: number, height = 24): readonly string[] =>
    screenOf(view, {
      width,
      height,
      heading: 'OPERATION',
      title: 'claviger top',
      bold: (text) => text,
      alarm: (text) => text,
    });

  for (const width of [20, 40, 80, 120, 200]) {
    test(`is never wider than ${width} columns`, () => {
      for (const line of lines(width)) assert.ok(line.length <= width, line);
    });
  }

  test('says rates, errors, latencies and which error, with a word for each', () => {
    const text = lines(100).join('\n');
    assert.match(text, /^OPERATION\s+RATE\/s\s+ERR\/s\s+p50 ms\s+p99 ms {2}MOST ERRORS ARE$/m);
    assert.match(text, /^Sign\s+12,345\s+0\s+3\.00\s+4\.96$/m);
    assert.match(text, /^Encrypt\s+10\s+10\s+-\s+- {2}PERMISSION_DENIED$/m);
    assert.match(text, /^log 12,465 records {2}group/m);
  });

  test('is no higher than the terminal', () => {
    assert.equal(lines(80, 8).length, 8);
  });

  test('says first that the log cannot be written', () => {
    const broken = { ...view, audit: { ...view.audit, available: false } };
    const shown = screenOf(broken, {
      width: 80,
      height: 24,
      heading: 'OPERATION',
      title: '',
      bold: (text) => text,
      alarm: (text) => `!${text}`,
    });
    assert.ok(shown.includes('!THE AUDIT LOG CANNOT BE WRITTEN: nothing is answered'));
  });

  test('writes numbers as people read them', () => {
    assert.deepEqual([count(0), count(12.34), count(1234.5)], ['0', '12.3', '1,235']);
    assert.deepEqual([bytes(0), bytes(1023), bytes(1536), bytes(5e9)], ['0 B', '1,023 B', '1.5 KiB', '4.7 GiB']);
    assert.deepEqual(
      [span(0), span(5), span(65), span(3 * 3600), span(90_000)],
      ['0s', '5s', '1m 5s', '3h 0m', '1d 1h'],
    );
  });
});

suite('the full screen', () => {
  function terminal(): {
    readonly terminal: Terminal;
    readonly input: PassThrough;
    readonly written: () => string;
    readonly raw: boolean[];
  } {
    const raw: boolean[] = [];
    const input = Object.assign(new PassThrough(), { isTTY: true, setRawMode: (on: boolean) => raw.push(on) });
    const output = Object.assign(new PassThrough(), { columns: 40, rows: 3 });
    let text = '';
    output.on('data', (chunk: Buffer) => (text += chunk.toString()));
    const stub = {
      input: { stream: input, isTty: true },
      output: { stream: output, isTty: true },
    } as unknown as Terminal;
    return { terminal: stub, input, written: () => text, raw };
  }

  for (const [name, key] of [
    ['q', 'q'],
    ['Ctrl-C', '\u0003'],
  ] as const) {
    test(`is left with ${name}, and gives the terminal back as it was`, async () => {
      const { terminal: of, input, written, raw } = terminal();
      {
        using screen = new FullScreen(of);
        screen.show(['one', 'two']);
        const waiting = screen.pause(60_000);
        input.write(key);
        assert.equal(await waiting, false);
      }
      await new Promise((resolve) => setImmediate(resolve));
      assert.deepEqual(raw, [true, false]);
      assert.ok(written().startsWith('\u001b[?1049h\u001b[?25l'));
      assert.ok(written().endsWith('\u001b[?25h\u001b[?1049l'));
    });
  }

  test('goes on after any other key', async () => {
    const { terminal: of, input } = terminal();
    using screen = new FullScreen(of);
    const waiting = screen.pause(20);
    input.write('x');
    assert.equal(await waiting, true);
  });

  test('is drawn over in place, line by line, and cut to its height', async () => {
    const { terminal: of, written } = terminal();
    using screen = new FullScreen(of);
    screen.show(['one', 'two', 'three', 'four']);
    await new Promise((resolve) => setImmediate(resolve));
    assert.ok(
      written().includes('\u001b[Hone\u001b[K\r\ntwo\u001b[K\r\nthree\u001b[K\u001b[J'),
      JSON.stringify(written()),
    );
    assert.ok(!written().includes('\u001b[2J'), 'an erased screen would flicker');
  });
});
