/** `/admin/v1`: projects, keys, end users, limits of models and the log of who changed them. */
import type { FastifyRequest } from 'fastify';
import { GatewayError } from '../../core/error.ts';
import { auditView, endUserView, keyView, listView, modelLimitsView, projectView } from '../../gateway/account-views.ts';
import type { View } from '../../gateway/account-views.ts';
import { freshKeyView, rotatedKeyView, tagOf } from '../../gateway/administration.ts';
import type { Administration, By } from '../../gateway/administration.ts';
import { bodyReader, allowanceOf, endUserDefaultsOf, given, limitsOf, pageOf, pathPart, readQuery, seenOf } from '../admin/input.ts';
import * as schemas from '../admin/schemas.ts';
import { answer } from '../answer.ts';
import { principalOf } from '../exchange.ts';
import type { Exchange } from '../exchange.ts';
import type { Route } from './route.ts';

/** What a request leads to; `entity` is what the answer shows, for its ETag. */
interface Done {
  readonly view: View;
  readonly entity?: object;
  readonly status?: number;
}

type Work = (exchange: Exchange, request: FastifyRequest) => Promise<Done>;

const LONGEST_MODEL = 512;
const LONGEST_PROJECT = 64;

export function admin(administration: Administration): readonly Route[] {
  return [
    ...projects(administration),
    ...keys(administration),
    ...endUsers(administration),
    ...modelLimits(administration),
    audit(administration),
  ];
}

function projects({ accounts, createProject, updateProject }: Administration): readonly Route[] {
  const create = bodyReader(schemas.ProjectCreate);
  const update = bodyReader(schemas.ProjectUpdate);
  return [
    route('GET', '/projects', async (_exchange, request) => {
      const page = await accounts.projects(pageOf(readQuery(request, ['limit', 'cursor'])));
      return { view: listView(page, projectView) };
    }),
    route('POST', '/projects', async (exchange, request) => {
      const input = create(exchange, request);
      const project = await createProject(by(exchange), {
        name: input.name,
        ...allowanceOf(input),
        ...endUserDefaultsOf(input.end_user_defaults),
      });
      return { view: projectView(project), entity: project, status: 201 };
    }),
    route('GET', '/projects/:project', async (_exchange, request) => {
      const project = (await accounts.project(idOf(request, 'project'))) ?? missing('project');
      return { view: projectView(project), entity: project };
    }),
    route('PATCH', '/projects/:project', async (exchange, request) => {
      const { name, disabled, ...input } = update(exchange, request);
      const change = { ...given({ name, disabled }), ...allowanceOf(input), ...endUserDefaultsOf(input.end_user_defaults) };
      const project = await updateProject(by(exchange), idOf(request, 'project'), change);
      return { view: projectView(project), entity: project };
    }),
  ];
}

function keys({ accounts, createKey, updateKey, rotateKey, revokeKey }: Administration): readonly Route[] {
  const create = bodyReader(schemas.KeyCreate);
  const update = bodyReader(schemas.KeyUpdate);
  const rotate = bodyReader(schemas.KeyRotate);
  const nothing = bodyReader(schemas.Nothing);
  return [
    route('GET', '/keys', async (_exchange, request) => {
      const { project_id: projectId, ...page } = readQuery(request, ['limit', 'cursor', 'project_id']);
      return { view: listView(await accounts.keys({ ...pageOf(page), ...given({ projectId }) }), keyView) };
    }),
    route('POST', '/keys', async (exchange, request) => {
      const { name, project_id: projectId, owner, role, addresses, expires_at: expires, ...input } = create(exchange, request);
      const fresh = await createKey(by(exchange), {
        name,
        ...given({ projectId, owner, role, addresses, expiresAt: msOf(expires) }),
        ...allowanceOf(input),
      });
      return { view: freshKeyView(fresh), entity: fresh.key, status: 201 };
    }),
    route('GET', '/keys/:key', async (_exchange, request) => {
      const key = (await accounts.key(idOf(request, 'key'))) ?? missing('key');
      return { view: keyView(key), entity: key };
    }),
    route('PATCH', '/keys/:key', async (exchange, request) => {
      const { owner, expires_at: expires, name, role, addresses, ...input } = update(exchange, request);
      const key = await updateKey(by(exchange), idOf(request, 'key'), {
        ...given({ name, role, addresses }),
        ...(owner === undefined ? {} : { owner }),
        ...(expires === undefined ? {} : { expiresAt: msOf(expires) ?? null }),
        ...allowanceOf(input),
      });
      return { view: keyView(key), entity: key };
    }),
    route('POST', '/keys/:key/rotate', async (exchange, request) => {
      const { grace_seconds: grace } = rotate(exchange, request);
      const rotated = await rotateKey(by(exchange), idOf(request, 'key'), (grace ?? 0) * 1000);
      return { view: rotatedKeyView(rotated), entity: rotated.key };
    }),
    route('POST', '/keys/:key/revoke', async (exchange, request) => {
      nothing(exchange, request);
      const key = await revokeKey(by(exchange), idOf(request, 'key'));
      return { view: keyView(key), entity: key };
    }),
  ];
}

function endUsers({ accounts, putEndUser, blockEndUser }: Administration): readonly Route[] {
  const put = bodyReader(schemas.EndUserPut);
  const block = bodyReader(schemas.EndUserBlock);
  const who = (request: FastifyRequest) => ({ projectId: idOf(request, 'project'), id: pathPart(request, 'user', schemas.LONGEST_ID) });
  const blocking = (blocked: boolean): Work => {
    return async (exchange, request) => {
      const user = await blockEndUser(by(exchange), who(request), { blocked, ...given(block(exchange, request)) });
      return { view: endUserView(user), entity: user };
    };
  };
  return [
    route('GET', '/projects/:project/end_users', async (_exchange, request) => {
      const { blocked, ...page } = readQuery(request, ['limit', 'cursor', 'blocked']);
      if (blocked !== undefined && blocked !== 'true' && blocked !== 'false') {
        throw new GatewayError('invalid_value', "Invalid 'blocked': expected true or false.", { param: 'blocked' });
      }
      const projectId = idOf(request, 'project');
      if (!(await accounts.project(projectId))) missing('project');
      const options = { ...pageOf(page), projectId, ...(blocked === undefined ? {} : { blocked: blocked === 'true' }) };
      return { view: listView(await accounts.endUsers(options), endUserView) };
    }),
    route('GET', '/projects/:project/end_users/:user', async (_exchange, request) => {
      const { projectId, id } = who(request);
      const user = (await accounts.endUser(projectId, id)) ?? missing('end user that anything was said of');
      return { view: endUserView(user), entity: user };
    }),
    route('PUT', '/projects/:project/end_users/:user', async (exchange, request) => {
      const { note, ...input } = put(exchange, request);
      const user = await putEndUser(by(exchange), who(request), { ...given({ note }), ...allowanceOf(input) });
      return { view: endUserView(user), entity: user };
    }),
    route('POST', '/projects/:project/end_users/:user/block', blocking(true)),
    route('POST', '/projects/:project/end_users/:user/unblock', blocking(false)),
  ];
}

function modelLimits({ accounts, putModelLimits }: Administration): readonly Route[] {
  const put = bodyReader(schemas.ModelLimitsPut);
  return [
    route('GET', '/model_limits', async (_exchange, request) => {
      readQuery(request, []);
      const items = (await accounts.modelLimits()).filter(({ limits }) => Object.keys(limits).length > 0);
      return { view: listView({ items, next: undefined }, modelLimitsView) };
    }),
    // an id may have slashes in it, written as `/` or `%2F`
    route('PUT', '/model_limits/*', async (exchange, request) => {
      const model = pathPart(request, '*', LONGEST_MODEL);
      if (model === '') missing('model without a name');
      const kept = await putModelLimits(by(exchange), model, limitsOf(put(exchange, request).limits));
      return { view: modelLimitsView(kept), entity: kept };
    }),
  ];
}

function audit({ accounts }: Administration): Route {
  return route('GET', '/audit', async (_exchange, request) => {
    const { subject, ...page } = readQuery(request, ['limit', 'cursor', 'subject']);
    return { view: listView(await accounts.audit({ ...pageOf(page), ...given({ subject }) }), auditView) };
  });
}

function route(method: Route['method'], path: string, work: Work): Route {
  const handle = async (exchange: Exchange, request: FastifyRequest): Promise<void> => {
    if (method !== 'GET') readQuery(request, []);
    const { view, entity, status = 200 } = await work(exchange, request);
    answer(exchange, exchange.service.server, {
      status,
      // secrets are in some of these, and other people's affairs in all
      headers: { 'cache-control': 'no-store', ...(entity ? { etag: `"${tagOf(entity)}"` } : {}) },
      body: JSON.stringify(view),
    });
  };
  return { method, paths: [`/admin/v1${path}`], access: 'admin', level: 'info', handle };
}

const by = (exchange: Exchange): By => ({ actor: principalOf(exchange).id, seen: seenOf(exchange) });

const idOf = (request: FastifyRequest, name: 'project' | 'key'): string => pathPart(request, name, LONGEST_PROJECT);

const msOf = (seconds: number | null | undefined): number | undefined => (seconds == null ? undefined : seconds * 1000);

function missing(what: string): never {
  throw new GatewayError('not_found', `There is no such ${what}.`);
}
