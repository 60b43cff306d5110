const http = require('http')

http.createServer((request, response) => {
  response.end('Hello from hello-node!\n')
}).listen(3000)
