/**
 * Cedar text, cut into its policies, before Cedar sees it.
 *
 * Cedar recurses, and in WebAssembly a stack that overflows leaves the whole instance unusable: one policy with 150 open
 * brackets, or a sum of 450, would end every decision of the process. So the shape of a policy is limited first, to a
 * third or less of what breaks Cedar.
 *
 * @module
 */
import type { PolicyJson } from '@cedar-policy/cedar-wasm/nodejs';
import { errorOf } from '../errors.ts';

/** Brackets in each other: Cedar's parser breaks between 100 and 150. */
const BRACKET_DEPTH_MAX = 24;
/** Words and signs of one policy: its parser breaks at chains of between 2,000 and 10,000. */
const TOKENS_MAX = 1000;
/** Operators in each other, each link of a chain within the one before: its evaluator breaks between 300 and 450. */
const OPERATOR_DEPTH_MAX = 100;

/** White space and comments; strings; names and numbers; operators of two signs; every other sign. */
const TOKEN = /(?<space>\s+|\/\/[^\n\r]*)|"(?:[^"\\]|\\[^])*"|\w+|&&|\|\||[=!<>]=|::|[^]/gy;

const OPENING = new Set(['(', '[', '{']);
const CLOSING = new Set([')', ']', '}']);

/** One policy as it stands in a text. */
export interface PolicyText {
  readonly text: string;
  /** Line on which it begins, from 1. */
  readonly line: number;
}

/**
 * Cuts a text at the semicolons that end policies. What a piece says is for Cedar to judge.
 *
 * @throws INVALID_ARGUMENT (reason MalformedPolicyDocument) for a policy that is nested too deep or too long
 */
export function splitPolicies(text: string): readonly PolicyText[] {
  const policies: PolicyText[] = [];
  let line = 1;
  let start: { readonly index: number; readonly line: number } | null = null;
  let depth = 0;
  let tokens = 0;
  for (const match of text.matchAll(TOKEN)) {
    const token = match[0];
    if (match.groups!['space'] === undefined) {
      start ??= { index: match.index, line };
      if (OPENING.has(token)) depth += 1;
      if (CLOSING.has(token)) depth -= 1;
      requireShape(depth, (tokens += 1), line);
      if (token === ';') {
        policies.push({ text: text.slice(start.index, match.index + 1), line: start.line });
        start = null;
        depth = 0;
        tokens = 0;
      }
    }
    line += lineFeeds(token);
  }
  // What follows the last semicolon is handed on too, for Cedar to say what is missing.
  if (start !== null) policies.push({ text: text.slice(start.index), line: start.line });
  return policies;
}

function requireShape(depth: number, tokens: number, line: number): void {
  if (depth > BRACKET_DEPTH_MAX) {
    throw errorOf(
      'MalformedPolicyDocument',
      `line ${line}: brackets stand more than ${BRACKET_DEPTH_MAX} deep; nest less`,
    );
  }
  if (tokens > TOKENS_MAX) {
    throw errorOf(
      'MalformedPolicyDocument',
      `line ${line}: the policy has more than ${TOKENS_MAX} words and signs; split it into several`,
    );
  }
}

/**
 * Refuses a policy, as Cedar gives it in JSON, whose conditions are nested too deep to be evaluated.
 *
 * @throws INVALID_ARGUMENT (reason MalformedPolicyDocument)
 */
export function requireShallow({ conditions }: PolicyJson, line: number): void {
  // Cedar makes one chain of all conditions; an operator and its operands are two levels of JSON.
  const depth = conditions.length + levels(conditions) / 2;
  if (depth > OPERATOR_DEPTH_MAX) {
    throw errorOf(
      'MalformedPolicyDocument',
      `line ${line}: operators stand more than ${OPERATOR_DEPTH_MAX} deep; use a set, or several policies`,
    );
  }
}

function levels(node: unknown): number {
  if (typeof node !== 'object' || node === null) return 0;
  return 1 + Math.max(0, ...Object.values(node).map(levels));
}

/** Line feeds in a text. */
export function lineFeeds(text: string): number {
  let count = 0;
  for (let at = text.indexOf('\n'); at !== -1; at = text.indexOf('\n', at + 1)) count += 1;
  return count;
}
