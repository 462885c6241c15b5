/**
 * disableKey: suspends a key. No answer that was decided before is released after this one.
 *
 * @module
 */
import { transitionOperation } from './transition.ts';

export const disableKey = transitionOperation('DisableKey', 'disable');
