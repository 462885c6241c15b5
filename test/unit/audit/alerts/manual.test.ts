/** docs/operating/alerts.md against the table of rules. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { RULES, RULE_IDS, type Rule } from '../../../../src/audit/alerts/rules.ts';
import { parseConfig } from '../../../../src/server/config.ts';

const ROOT = join(import.meta.dirname, '../../../..');
const page = readFileSync(join(ROOT, 'docs/operating/alerts.md'), 'utf8');

/** `warning · 20 records in 60 s`, as the page has it below a rule's heading. */
function limitsOf(rule: Rule): string {
  const grouped = (value: number): string => value.toLocaleString('en-US');
  if (rule.kind === 'measure') return `${rule.severity} · ${grouped(rule.threshold)} ${rule.unit}`;
  if (rule.kind === 'records' && rule.threshold > 1) {
    return `${rule.severity} · ${grouped(rule.threshold)} records in ${grouped(rule.windowSeconds)} s`;
  }
  return `${rule.severity} · at once · over after ${grouped(rule.windowSeconds)} s`;
}

test('the manual tells of every rule, under its id, in the order of the table, with its limits', () => {
  const told = [...page.matchAll(/^### `([\w-]+)`\n\n(.*)$/gm)].map(([, id, limits]) => [id, limits]);
  assert.deepEqual(
    told,
    RULE_IDS.map((id) => [id, limitsOf(RULES[id])]),
  );
});

test('the example of the manual is a configuration', () => {
  const example = /^```yaml\n(.*?)^```/ms.exec(page)![1]!;
  const files = { '/etc/claviger/slack-webhook-url': 'https://hooks.example/x', '/etc/claviger/smtp-password': 'x' };
  // The files of the example are not on this machine.
  const text = Object.keys(files).reduce((all, file) => all.replace(`file:${file}`, `\${${nameOf(file)}}`), example);
  const environment = Object.fromEntries(Object.entries(files).map(([file, content]) => [nameOf(file), content]));
  const { alerts } = parseConfig(text, '/', {
    ...environment,
    PAGERDUTY_ROUTING_KEY: 'r'.repeat(32),
    SIEM_WEBHOOK_SECRET: 's'.repeat(32),
  });
  assert.deepEqual(
    alerts.channels.map(({ kind }) => kind),
    ['pagerduty', 'slack', 'email', 'webhook'],
  );
});

function nameOf(file: string): string {
  return file.replaceAll(/\W/g, '_').toUpperCase().replace(/^_+/, '');
}
