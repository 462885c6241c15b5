/**
 * A document as environment variables.
 *
 * Names of nested values are joined: `db.hosts[0].port` is `DB_HOSTS_0_PORT`. Names in .env files stay as they are. Nulls
 * give no variable.
 *
 * @module
 */
import { ClavigerError } from '../../errors.ts';
import type { Format, Scalar } from './format.ts';
import type { Selection } from './metadata.ts';
import { pathText } from './path.ts';
import { ALL, selected } from './selection.ts';

const NAME = /^[A-Za-z_][A-Za-z0-9_]*$/;

/** @throws INVALID_ARGUMENT where a name is none of a variable, two values have one name, or a value cannot be given */
export function variablesOf(format: Format, body: string, selection: Selection = ALL): ReadonlyMap<string, string> {
  const scalars = format.scalars(body);
  const wanted = selected(
    selection,
    scalars.map(({ path }) => path),
  );
  const variables = new Map<string, string>();
  const from = new Map<string, Scalar>();
  for (const scalar of scalars.filter((_, at) => wanted[at])) {
    const { path, value } = scalar;
    if (value === null) continue;
    const name = format.name === 'env' ? String(path.steps[0]) : nested(scalar);
    const before = from.get(name);
    const where = pathText(path);
    if (!NAME.test(name)) {
      throw new ClavigerError(
        'INVALID_ARGUMENT',
        `\`${where}\` makes no name of a variable (\`${name}\`): leave it out with --except, or rename it`,
      );
    }
    if (before !== undefined) {
      throw new ClavigerError(
        'INVALID_ARGUMENT',
        `\`${pathText(before.path)}\` and \`${where}\` both make the variable \`${name}\`: leave one out, or rename it`,
      );
    }
    if (value.includes('\0')) {
      throw new ClavigerError('INVALID_ARGUMENT', `\`${where}\` has a zero byte, which no variable can hold`);
    }
    from.set(name, scalar);
    variables.set(name, value);
  }
  return variables;
}

function nested({ path }: Scalar): string {
  const steps = path.document === 0 ? path.steps : [path.document + 1, ...path.steps];
  return steps.map((step) => String(step).replaceAll(/[-. ]/g, '_').toUpperCase()).join('_');
}
