// DynamicLibrary
