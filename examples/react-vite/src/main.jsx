import { createRoot } from 'react-dom/client'

createRoot(document.getElementById('root')).render(<p>Hello from React at {location.pathname}</p>)
