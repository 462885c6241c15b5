export { anyHome, type Answered, type Failover } from './any-home.ts';
export type { CircuitState } from './circuit.ts';
export type { GroupSettings, Home } from './group.ts';
export { Guard, type GuardEvents, type GuardSettings, type GuardStatus, type Within } from './guard.ts';
export { verdictOf, type Verdict } from './verdict.ts';
export { wrapEverywhere, type Wrap, type Wraps } from './wrap-everywhere.ts';
