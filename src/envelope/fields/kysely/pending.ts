/**
 * What stands in a query in place of a value until the value is encrypted. It holds no plaintext: if one ever reached a
 * driver, nothing would be told.
 *
 * @module
 */
import { OperationNodeTransformer, PrimitiveValueListNode, ValueNode, type OperationNode } from 'kysely';
import { ClavigerError } from '../../../errors.ts';

/** One value, or the list behind an `in`. */
export class Pending {
  #node: ValueNode | PrimitiveValueListNode | null = null;

  fillValue(value: unknown): void {
    this.#node = ValueNode.create(value);
  }

  /** @param values where there are none, nothing is to be found */
  fillList(values: readonly unknown[]): void {
    this.#node = PrimitiveValueListNode.create(values.length === 0 ? [null] : values);
  }

  get node(): OperationNode {
    if (this.#node === null) throw new ClavigerError('INTERNAL', 'a value of a query was not encrypted');
    return this.#node;
  }
}

export function pendingNode(pending: Pending): ValueNode {
  return ValueNode.create(pending);
}

/** Puts the encrypted values in their places. */
export class PendingFiller extends OperationNodeTransformer {
  protected override transformValue(node: ValueNode): ValueNode {
    return node.value instanceof Pending ? (node.value.node as ValueNode) : super.transformValue(node);
  }
}
