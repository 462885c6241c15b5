/**
 * enableKey: makes a suspended key usable again.
 *
 * @module
 */
import { transitionOperation } from './transition.ts';

export const enableKey = transitionOperation('EnableKey', 'enable');
