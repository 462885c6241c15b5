/**
 * A notice in words, the same ones for every channel.
 *
 * @module
 */
import type { Alert, Notice, NoticeKind } from './alert.ts';
import { RULES, type Rule, type RuleId } from './rules.ts';

/** Receivers cut or refuse longer titles: PagerDuty at 1,024 characters, Slack's headers at 150. */
const TITLE_CHARS_MAX = 140;
/** Parts of a notice come from outside; none of them is longer than this in a fact. */
const FACT_CHARS_MAX = 300;

const KIND_WORDS: Readonly<Record<NoticeKind, string>> = {
  firing: '',
  reminder: 'still: ',
  resolved: 'over: ',
  test: 'test: ',
};

export interface Words {
  /** One line. */
  readonly title: string;
  readonly action: string;
  readonly runbook: string;
  /** Name and value of what is known. */
  readonly facts: readonly (readonly [name: string, value: string])[];
}

export function wordsOf({ kind, alert, atMs }: Notice): Words {
  const { title, action } = ruleWords(alert.rule);
  const facts: [string, string | undefined][] = [
    ['rule', alert.rule],
    ['severity', alert.severity],
    ['subject', alert.subject],
    ['tenant', alert.tenantId ?? undefined],
    ['principal', principalOf(alert)],
    ['source', alert.facts.source],
    ['operation', alert.facts.operation],
    ['outcome', alert.facts.outcome],
    ['key', alert.facts.keyId],
    ['record', alert.facts.index?.toString()],
    ['measured', measuredOf(alert)],
    ['note', alert.facts.note],
    ['count', String(alert.count)],
    ['first', isoOf(alert.firstAtMs)],
    ['last', isoOf(alert.lastAtMs)],
    ...(kind === 'resolved' ? ([['over since', isoOf(atMs)]] as [string, string][]) : []),
  ];
  return {
    title: cut(`${KIND_WORDS[kind]}${kind === 'test' ? 'this is what an alert looks like' : title}`, TITLE_CHARS_MAX),
    action: kind === 'test' ? 'nothing: somebody tried this channel' : action,
    runbook: runbookOf(alert.rule),
    facts: facts.flatMap(([name, value]) => (value === undefined ? [] : [[name, cut(oneLine(value), FACT_CHARS_MAX)]])),
  };
}

/** What a rule says. One that another release has left in the store is told by its name. */
export function ruleWords(id: string): Pick<Rule, 'title' | 'action'> {
  return (
    (RULES as Readonly<Record<string, Rule | undefined>>)[id] ?? {
      title: id,
      action: 'this release does not know the rule',
    }
  );
}

/** Where the manual tells of a rule. */
export function runbookOf(rule: RuleId): string {
  return `docs/operating/alerts.md#${rule}`;
}

/** As an e-mail has it. */
export function plainText(words: Words): string {
  const width = Math.max(...words.facts.map(([name]) => name.length));
  const facts = words.facts.map(([name, value]) => `${name.padEnd(width)}  ${value}`);
  return `${words.title}\n\n${facts.join('\n')}\n\nWhat to do: ${words.action}\nRunbook: ${words.runbook}\n`;
}

function principalOf({ facts: { principal, principalName } }: Alert): string | undefined {
  return principalName === undefined || principalName === principal ? principal : `${principal} (${principalName})`;
}

function measuredOf({ rule, facts: { value } }: Alert): string | undefined {
  const known: Rule | undefined = RULES[rule];
  return value === undefined || known?.kind !== 'measure' ? undefined : `${value} ${known.unit}`;
}

/** Names come from outside: a line break in one would forge a line of the message. */
function oneLine(text: string): string {
  return text.replace(/[\p{Cc}\p{Cf}\u2028\u2029]/gu, '?');
}

function cut(text: string, charsMax: number): string {
  return text.length <= charsMax ? text : `${text.slice(0, charsMax - 1).toWellFormed()}…`;
}

function isoOf(ms: number): string {
  return new Date(ms).toISOString();
}
