/** Which models a key may use: those that its own patterns, its project's and its end user's allow, by the names the administrator knows them by. */
import type { Call, Layer, ModelCard, Principal } from '../core/call.ts';
import { GatewayError } from '../core/error.ts';
import type { Soon } from '../core/soon.ts';
import type { EndUser, Project } from './accounts.ts';
import { endUserOf } from './books.ts';
import type { Account, Directory } from './directory.ts';
import { matcher } from './model-names.ts';
import type { Route } from './route.ts';
import { modelNotFound } from './router.ts';
import type { Catalog } from './router.ts';

export interface ModelAccess {
  /** Refuses calls of models that the key may not use with `model_not_allowed`. Outside of all that may answer by itself. */
  readonly layer: Layer;
  /** The models that the key may use. */
  list(principal: Principal): Promise<readonly ModelCard[]>;
  /** One of them. Throws `model_not_found`, or `model_not_allowed` for one of the others. */
  find(name: string, principal: Principal): Promise<ModelCard>;
}

/** Is it allowed, by its name or its targets? */
type Allows = (name: string, targets: readonly string[]) => boolean;

/**
 * A model is allowed where a pattern fits its id, the name of an alias or a route, or the ids of all the targets behind it. A
 * name that a client shortened is none of these: what it may use does not depend on how it writes it.
 */
export function createModelAccess(catalog: Catalog, directory: Directory | undefined): ModelAccess {
  const compiled = new WeakMap<readonly string[], Allows>();
  const allowsOf = (patterns: readonly string[]): Allows => {
    const known = compiled.get(patterns);
    if (known) return known;
    const fits = matcher(patterns);
    const made: Allows = (name, targets) => fits(name) || (targets.length > 0 && targets.every(fits));
    compiled.set(patterns, made);
    return made;
  };

  /** What restricts this caller, and the end user that it asks for; undefined where nothing does. */
  const rulesOf = ({ keyId, projectId }: Principal, user?: string): Soon<Allows | undefined> => {
    if (!directory || projectId === undefined) return undefined;
    const owner = ownerOf(directory, keyId, projectId);
    const endUser = user === undefined ? undefined : directory.endUser(projectId, user);
    if (!(owner instanceof Promise) && !(endUser instanceof Promise)) return rulesFor(keyId, owner, endUser);
    return Promise.all([owner, endUser]).then(([found, who]) => rulesFor(keyId, found, who));
  };
  const rulesFor = (keyId: string | undefined, owner: Owner | undefined, endUser: EndUser | undefined): Allows | undefined => {
    if (!owner && keyId !== undefined) throw new GatewayError('invalid_api_key', 'The API key is not known here any more.');
    const byKey = owner?.key?.models ?? NO_PATTERNS;
    const byProject = owner?.project?.models ?? NO_PATTERNS;
    const byUser = endUser?.models ?? NO_PATTERNS;
    if (byKey.length + byProject.length + byUser.length === 0) return undefined;
    const all = [byKey, byProject, byUser].filter((patterns) => patterns.length > 0).map(allowsOf);
    return (name, targets) => all.every((allows) => allows(name, targets));
  };

  const listed = async (allows: Allows | undefined): Promise<readonly ModelCard[]> => {
    const cards = await catalog.list();
    if (!allows) return cards;
    const kept = await Promise.all(
      cards.map(async (card) => {
        if (allows(card.id, [])) return [card];
        const route = await catalog.route(card.id).catch(missing);
        return route && allows(card.id, idsOf(route)) ? [card] : [];
      }),
    );
    return kept.flat();
  };

  /** Throws where the model is not there, or not for this caller. */
  const check = async (name: string, allows: Allows): Promise<void> => {
    const [route, card] = await Promise.all([catalog.route(name), catalog.card(name)]).catch(async (cause: unknown) => {
      // the names that come near are those that the caller may know
      if (cause instanceof GatewayError && cause.kind === 'model_not_found') throw modelNotFound(name, await listed(allows));
      throw cause;
    });
    if (allows(card.id, idsOf(route))) return;
    throw new GatewayError(
      'model_not_allowed',
      `This API key may not use the model '${name.slice(0, 100)}'. GET /v1/models lists those that it may use.`,
      { param: 'model' },
    );
  };

  return {
    layer: (next) => {
      const checked = async (call: Call, rules: Soon<Allows | undefined>): ReturnType<typeof next> => {
        const allows = await rules;
        if (allows) await check(call.request.model, allows);
        return next(call);
      };
      return (call) => {
        const rules = rulesOf(call.principal, endUserOf(call));
        return rules ? checked(call, rules) : next(call);
      };
    },
    async list(principal) {
      return listed(await rulesOf(principal));
    },
    async find(name, principal) {
      const allows = await rulesOf(principal);
      if (allows) await check(name, allows);
      return catalog.card(name);
    },
  };
}

const NO_PATTERNS: readonly string[] = [];

/** Whose a request is: a key with its project, or a project alone. */
type Owner = Partial<Pick<Account, 'key' | 'project'>>;

function ownerOf(directory: Directory, keyId: string | undefined, projectId: string): Soon<Owner | undefined> {
  if (keyId !== undefined) return directory.byKeyId(keyId);
  const project = directory.project(projectId);
  const alone = (found: Project | undefined): Owner => (found ? { project: found } : {});
  return project instanceof Promise ? project.then(alone) : alone(project);
}

const idsOf = ({ targets }: Route): readonly string[] => targets.map(({ target }) => target.card.id);

function missing(cause: unknown): undefined {
  if (cause instanceof GatewayError && cause.kind === 'model_not_found') return undefined;
  throw cause;
}
