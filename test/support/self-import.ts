/**
 * Preloaded: `import 'claviger/…'` is the source of what package.json exports under that name.
 *
 * @module
 */
import { readFileSync } from 'node:fs';
import { registerHooks } from 'node:module';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

const ROOT = join(import.meta.dirname, '../..');
const { name, exports } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as {
  name: string;
  exports: Readonly<Record<string, { readonly default?: string }>>;
};

registerHooks({
  resolve: (specifier, context, next) => {
    if (specifier !== name && !specifier.startsWith(`${name}/`)) return next(specifier, context);
    const built = exports[`.${specifier.slice(name.length)}`]?.default;
    if (built === undefined) throw new Error(`\`${specifier}\` is not exported`);
    const source = built.replace('./dist/', './src/').replace(/\.js$/u, '.ts');
    return { url: pathToFileURL(join(ROOT, source)).href, shortCircuit: true };
  },
});
