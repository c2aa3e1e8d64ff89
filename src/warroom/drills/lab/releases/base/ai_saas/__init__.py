"""ai-saas-app: accounts, conversations and payments over HTTP."""
