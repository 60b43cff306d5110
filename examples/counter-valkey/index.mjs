// Counts its visits in Valkey, which speaks Redis.
import { createServer } from "node:http";
import Redis from "ioredis";

const redis = new Redis(process.env.REDIS_URL);
redis.on("error", (error) => console.error(error.message));

createServer(async (request, answer) => {
  try {
    const visits = request.method === "GET" ? await redis.incr("visits") : await redis.get("visits");
    answer.end(`Visits, counted in Valkey: ${visits}\n`);
  } catch (error) {
    answer.statusCode = 503;
    answer.end(`${error.message}\n`);
  }
}).listen(process.env.PORT);
