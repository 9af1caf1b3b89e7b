/** Packages that many a process never needs, for those who cannot wait for an import when one does. */
import { createRequire } from 'node:module';

const require = createRequire(import.meta.url);

/** The package, loaded when it is first asked for. Throws what loading it throws. */
export function onDemand<Package>(name: string): () => Package {
  let loaded: Package | undefined;
  return () => (loaded ??= require(name) as Package);
}
