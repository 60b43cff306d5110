"""What can go wrong on the MCP side. Each class composes its sentence and says what to do next.

* CreateosError
  x SettingError             a variable or flag that cannot be used
  x CatalogError             a file of tool_schemas/ that cannot be used
  x CallError                the model can act on it: becomes a tool result
    + ArgumentsError         the arguments do not fit the tool's schema
    + ReferenceError_        a name that stands for no id, or for several
    + ApiError               the platform answered with a failure
    + BackendError           the platform did not answer
      - ConnectionFailedError
      - TimedOutError
      - AnswerUnreadableError
      - AnswerTooLargeError
"""
