import { Hono } from 'hono'

const app = new Hono()
app.get('/', (context) => context.text('Hello from Bun'))

export default { port: process.env.PORT, fetch: app.fetch }
