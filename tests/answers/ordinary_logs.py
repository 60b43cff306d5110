"""Two thousand log lines as programs write them that keep their secrets to themselves."""

import random
from collections.abc import Callable, Mapping

SEED = 20_260_105
LINES = 2_000

TEMPLATES = """\
{time} INFO  Started Application in {number} seconds (process running for {number})
{ip} - - [{day}] "GET /api/users/{number}?page={number} HTTP/1.1" 200 {number} "-" "Mozilla/5.0"
{ip} - - [{day}] "POST /login HTTP/1.1" 401 {number} "https://{host}/login" "curl/8.5.0"
> {word}@{version} build
added {number} packages, and audited {number} packages in {number}s
npm warn deprecated {word}@{version}: this version is no longer supported
npm error code ERESOLVE
vite v{version} building for production...
dist/assets/index-{hex8}.js  {number}.{number} kB | gzip: {number}.{number} kB
Collecting {word}>={version}
  Downloading {word}-{version}-py3-none-any.whl ({number} kB)
Successfully installed {word}-{version} {word}-{version}
   Compiling {word} v{version}
    Finished `release` profile [optimized] target(s) in {number}m {number}s
Traceback (most recent call last):
  File "/app/{word}/{word}.py", line {number}, in handle_token
    token = self.read_token(request)
KeyError: 'password'
ValueError: invalid token: expected string, got None
SyntaxError: Unexpected token 'export'
SyntaxError: Unexpected token < in JSON at position {number}
Uncaught SyntaxError: missing ) after argument list
    at Object.<anonymous> (/app/dist/{word}.js:{number}:{number})
    at async verifyToken (/app/src/auth.ts:{number}:{number})
[{time}] [error] csrf token mismatch for session of user {number}
{time} WARN  auth: password: incorrect for user {word}
{time} WARN  auth: token: expired
{time} ERROR auth: secret: missing
Invalid password: must have at least 8 characters
password is required
Access denied for user '{word}'@'{ip}' (using password: YES)
FATAL: password authentication failed for user "{word}"
Failed password for invalid user {word} from {ip} port {number} ssh2
pam_unix(sshd:auth): authentication failure; logname= uid=0 euid=0 tty=ssh user={word}
Accepted publickey for {word} from {ip} port {number} ssh2: RSA SHA256:{hex40}
TOKEN_TTL={number}
MAX_TOKENS={number}
ACCESS_TOKEN_EXPIRES_IN={number}
PASSWORD_MIN_LENGTH={number}
token_type=bearer
tokens_used={number} prompt_tokens={number} completion_tokens={number}
usage: prompt_tokens: {number}, total_tokens: {number}
tokenizer: loaded {word} with {number} tokens
cookie_domain={host}
COOKIE_SECURE=true
SESSION_COOKIE_NAME=sid
secret_name={word}-{word}
Loaded {number} secrets from the environment
SecretsManager: rotation of {word} is disabled
credentials: include
apiKey=undefined
apiKey: null
{{"level":"info","msg":"request completed","statusCode":200,"responseTime":{number}}}
{{"level":"warn","msg":"token rejected","tokenType":"bearer","reason":"expired"}}
{{"level":"info","token":null,"user":{number}}}
{{"password":"[REDACTED]","user":"{word}"}}
{{"event":"login","passwordRequired":true}}
secret_key_base: [FILTERED]
Authorization: <redacted>
authorization: required
Missing Authorization header
Set up OAuth with client id {number}-{word}.apps.{host}
WWW-Authenticate: Bearer realm="{host}"
X-Request-Id: {uuid}
request_id={uuid} method=GET path=/healthz status=200 duration={number}ms
trace_id={hex32} span_id={hex16}
etag: "{hex32}"
sha256:{hex64}
commit {hex40}
Merge: {hex8} {hex8}
Author: {word} <{word}@{host}>
HEAD is now at {hex8} Fix the {word}
Cloning into '/app/{word}'...
remote: Counting objects: 100% ({number}/{number}), done.
integrity sha512-{base64}
Step {number}/{number} : RUN pip install -r requirements.txt
 ---> {hex12}
Successfully built {hex12}
postgres://localhost:5432/{word}
Connecting to redis://{word}:6379/0
connected to mongodb://{host}:27017/{word}
Server listening on http://0.0.0.0:{number}
{time} LOG:  database system is ready to accept connections
{time} UTC [{number}] LOG:  checkpoint complete: wrote {number} buffers (0.{number}%)
Executing (default): SELECT "id", "token_count" FROM "{word}" WHERE "id" = {number};
ActiveRecord::RecordNotFound (Couldn't find User with 'id'={number}):
Parameters: {{"user"=>{{"email"=>"[FILTERED]", "password"=>"[FILTERED]"}}}}
Completed 200 OK in {number}ms (Views: {number}.{number}ms | ActiveRecord: {number}.{number}ms)
Performing {word}Job (Job ID: {uuid}) from Async(default)
DEBUG Configuration property jwt.token.validity={number}
o.s.s.c.annotation.authentication.builders: Using generated security {word}
i.m.h.s.netty.ssl.SecretReader - no secret configured
Bad activity token: {word}
Requested token of type: id
{time} [nginx] upstream timed out (110: Connection timed out) while connecting to {ip}
kernel: [{number}.{number}] Out of memory: Killed process {number} ({word})
PASS src/{word}.test.ts ({number}.{number} s)
FAIL tests/{word}_test.go:{number}: token {number} of {number}
=== RUN   TestPassword{number}
ok   {host}/{word}/auth  0.{number}s  coverage: {number}.1% of statements
E   AssertionError: assert token == expected
tests/test_{word}.py::test_password_reset PASSED [ {number}%]
Warning: the API key: see https://{host}/docs/keys
key: value
private key: /etc/ssl/private/{word}.key
ssl_certificate_key /etc/ssl/{word}.pem;
cookie: none
Cache-Control: max-age={number}
cf-ray: {hex16}-FRA
retrying in {number} s: connection refused
Deployed version {number} to production
Job {uuid} finished after {number} tries
password_hash rounds=12
secret: not found in namespace {word}
pod/{word}-{hex8}-{hex8} condition met
service account token: mounted
IMAGE_TAG={version}
GIT_SHA={hex40}
BUILD_ID={number}
REGION=eu-central-1
NODE_ENV=production
LANG=en_US.UTF-8
listening on port {number}, pid {number}
"""

WORDS = (
    *("shop", "api", "web", "worker", "auth", "billing", "search"),
    *("mailer", "gateway", "cache", "queue", "admin", "parser"),
)


def ordinary_lines() -> list[str]:
    """The same lines each time."""
    chance = random.Random(SEED)  # noqa: S311 - a corpus, no secret
    templates = TEMPLATES.splitlines()
    return [fill(templates[number % len(templates)], chance) for number in range(LINES)]


def fill(template: str, chance: random.Random) -> str:
    def hexed(digits: int) -> Callable[[], str]:
        return lambda: f"{chance.getrandbits(digits * 4):0{digits}x}"

    parts: Mapping[str, Callable[[], str]] = {
        "number": lambda: str(chance.randrange(1, 9_999)),
        "word": lambda: chance.choice(WORDS),
        "host": lambda: f"{chance.choice(WORDS)}.example.com",
        "ip": lambda: f"192.0.2.{chance.randrange(256)}",
        "version": lambda: f"{chance.randrange(9)}.{chance.randrange(20)}.{chance.randrange(9)}",
        "time": lambda: f"2026-01-05T12:{chance.randrange(60):02}:{chance.randrange(60):02}.000Z",
        "day": lambda: f"05/Jan/2026:12:{chance.randrange(60):02}:00 +0000",
        "uuid": lambda: "-".join(hexed(n)() for n in (8, 4, 4, 4, 12)),
        "base64": lambda: "".join(chance.choices("ABCDEFabcdef0123456789+/", k=86)) + "==",
        **{f"hex{digits}": hexed(digits) for digits in (8, 12, 16, 32, 40, 64)},
    }

    class Parts(dict[str, str]):
        def __missing__(self, name: str) -> str:
            return parts[name]()

    return template.format_map(Parts())
