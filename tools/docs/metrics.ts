/**
 * docs/reference/metrics.md, of the table that a scrape is written from.
 *
 * @module
 */
import { METRICS, type Definition } from '../../src/server/metrics/definitions.ts';
import { blocks, code, table } from './markdown.ts';

const INTRODUCTION = `# Metrics

<!-- Generated from src/server/metrics/definitions.ts by \`npm run docs\`. Change the table, not this page. -->

What \`GET /metrics\` answers, in the Prometheus text format. How to scrape it, and what to look at, stands in
[monitoring](../operating/monitoring.md). A histogram \`NAME\` has the series \`NAME_bucket\`, \`NAME_sum\` and \`NAME_count\`.

| label | values |
| --- | --- |
| \`operation\` | as in the audit log: \`Sign\`; \`_none\` where the request names none |
| \`tenant\` | name of the tenant: the first hundred that are seen, and \`_other\` for the rest; \`_none\` for whoever was not authenticated |
| \`provider\` | home of the key that was used; \`_none\` where none was |
| \`code\` | \`OK\`, or an [error's code](errors.md), as in the audit log |
| \`thread\` | \`loop\`, which answers; \`writer\`, which signs with the fast curves and commits |
| \`sink\` | name of a sink of the configuration |

Who has the system scope sees every tenant; others see the requests of their own tenant, and what is of the whole process.`;

export function metricsPage(): string {
  const rows = Object.entries(METRICS).map(([name, definition]): readonly string[] => {
    const { type, labels, help }: Definition = definition;
    return [code(name), type, labels.map(code).join(', '), help];
  });
  const histograms = Object.entries(METRICS).flatMap(([name, { buckets }]: [string, Definition]) =>
    buckets === undefined ? [] : [[code(name), buckets.map(String).join(', ')]],
  );
  return blocks(
    INTRODUCTION,
    '## All of them',
    table(['metric', 'type', 'labels', 'is'], rows),
    '## Buckets',
    table(['histogram', 'upper bounds'], histograms),
  );
}
