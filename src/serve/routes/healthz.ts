import type { App, Serving } from '../serving.ts';

/** Whether pages can be had: asks the store for a sign of life. For load balancers and service managers. */
export function addHealth(app: App, { storeFor, version }: Serving): void {
  app.get('/healthz', async (request) => {
    await storeFor(request).exec('SELECT 1');
    return { status: 'ok', version };
  });
}
