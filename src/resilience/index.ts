export { anyHome, type Answered } from './any-home.ts';
export type { CircuitState } from './circuit.ts';
export type { GroupSettings, Home } from './group.ts';
export { Guard, type GuardEvents, type GuardSettings, type Within } from './guard.ts';
export { verdictOf } from './verdict.ts';
export { wrapEverywhere, type Wraps } from './wrap-everywhere.ts';
