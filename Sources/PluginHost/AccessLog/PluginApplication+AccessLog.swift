internal import HTTPServer
internal import HTTPWire
internal import HostModel

extension AccessLog {
    /// Enters a request, with the plugin and the route that answered it.
    func take(_ report: ExchangeReport) {
        let reactor = report.reactorIndex
        var entry = AccessEntry(report)
        guard let exchange = report.exchange else { return take(entry, reactor: reactor) }
        guard report.reachedApplication else {
            if let table = unsafe report.applicationState {
                return unsafe Unmanaged<MountTable>.fromOpaque(table)._withUnsafeGuaranteedRef {
                    table in
                    var name = table.mountName(exchange)
                    name.withUTF8 {
                        entry[.plugin] = unsafe ByteSlice(UnsafeRawBufferPointer($0))
                        take(entry, reactor: reactor)
                    }
                }
            }
            return take(entry, reactor: reactor)
        }
        let record = unsafe RecordPointer(exchange).record
        guard let owner = unsafe record.pointee.serving.pointee.owner else {
            return take(entry, reactor: reactor)
        }
        let route = unsafe Int(record.pointee.route)
        unsafe owner._withUnsafeGuaranteedRef { generation in
            entry.figures.generation = generation.number
            let declared = generation.routes[route]
            var name = generation.name.text
            var method = declared.method
            var pattern = declared.pattern
            name.withUTF8 { name in
                method.withUTF8 { method in
                    pattern.withUTF8 { pattern in
                        entry[.plugin] = unsafe ByteSlice(UnsafeRawBufferPointer(name))
                        entry[.routeMethod] = unsafe ByteSlice(UnsafeRawBufferPointer(method))
                        entry[.routePattern] = unsafe ByteSlice(UnsafeRawBufferPointer(pattern))
                        take(entry, reactor: reactor)
                    }
                }
            }
        }
    }
}

extension MountTable {
    /// The name of the plugin that is mounted where the request went; empty when none is.
    fileprivate func mountName(_ exchange: Exchange) -> String {
        let path = exchange.path
        let prefix = "/plugin/".utf8.count
        guard path.count > prefix, path.starts(with: "/plugin/"), let base = unsafe path.base else {
            if HostPages.isReserved(path) { return "" }
            guard let place = unsafe find(authority: exchange.head.host, path: path) else {
                return ""
            }
            return unsafe place.found.mount._withUnsafeGuaranteedRef { $0.name.text }
        }
        let name = unsafe PathSegment(base + prefix, pathEnd: base + path.count)
        guard let found = unsafe view.find(name) else { return "" }
        return unsafe found.mount._withUnsafeGuaranteedRef { $0.name.text }
    }
}
