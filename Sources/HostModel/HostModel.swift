// HostModel
