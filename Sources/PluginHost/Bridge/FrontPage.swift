internal import HostModel

/// The page at `/`: which plugins serve, with links to their own pages.
enum FrontPage {
    static func json(_ mounts: [Mount]) -> String {
        let plugins = mounts.map { mount -> JSONValue in
            var object: JSONObject = [
                "name": .string(mount.name.text),
                "state": .string(state(of: mount)),
                "path": .string("/plugin/\(mount.name)/"),
                "has_page": .bool(mount.staticFiles != nil),
            ]
            if let generation = mount.generation {
                object["version"] = .string(generation.version.description)
                object["generation"] = .number(JSONNumber(Int64(clamping: generation.number)))
                object["routes"] = .array(
                    generation.routes.map { .string(address(of: $0, mount)) })
            }
            return .object(object)
        }
        return JSONValue.object(["plugins": .array(plugins)]).text()
    }

    static func html(_ mounts: [Mount]) -> String {
        let rows = mounts.map(row).joined()
        let body =
            mounts.isEmpty
            ? "<p>No plugin is installed. <code>host install FILE.tar.gz</code> adds one.</p>"
            : """
            <table><thead><tr><th scope="col">Plugin<th scope="col">Version\
            <th scope="col">State<th scope="col">API</tr></thead><tbody>\(rows)</tbody></table>
            """
        return """
            <!DOCTYPE html><html lang="en"><head><meta charset="utf-8">\
            <meta name="viewport" content="width=device-width"><title>Plugins</title><style>\
            :root{color-scheme:light dark}\
            body{font:1rem/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;\
            padding:0 1rem}\
            table{border-collapse:collapse;width:100%}\
            th,td{text-align:left;vertical-align:top;padding:.4rem .8rem .4rem 0;\
            border-bottom:1px solid #8886}code{font-size:.9em}\
            ul{margin:0;padding:0;list-style:none}\
            </style></head><body><main><h1>Plugins</h1>\(body)</main></body></html>

            """
    }

    private static func row(_ mount: Mount) -> String {
        let name = escaped(mount.name.text)
        let title = mount.staticFiles == nil ? name : "<a href=\"/plugin/\(name)/\">\(name)</a>"
        let version = mount.generation.map { escaped($0.version.description) } ?? ""
        let routes = (mount.generation?.routes ?? []).map { route in
            let text = "<code>\(escaped(address(of: route, mount)))</code>"
            guard route.method == "GET", !route.pattern.contains("{") else { return "<li>\(text)" }
            return "<li><a href=\"/plugin/\(name)/api\(escaped(route.pattern))\">\(text)</a>"
        }
        return """
            <tr><th scope="row">\(title)<td>\(version)\
            <td>\(state(of: mount))\
            <td><ul>\(routes.joined())</ul></tr>
            """
    }

    private static func state(of mount: Mount) -> String {
        switch mount.availability {
        case .active: "active"
        case .unavailable: "unavailable"
        case .quarantined: "quarantined"
        case .inactive: "inactive"
        }
    }

    private static func address(of route: RouteDeclaration, _ mount: Mount) -> String {
        "\(route.method) /plugin/\(mount.name)/api\(route.pattern)"
    }

    private static func escaped(_ text: String) -> String {
        var result = ""
        for character in text {
            switch character {
            case "&": result += "&amp;"
            case "<": result += "&lt;"
            case ">": result += "&gt;"
            case "\"": result += "&quot;"
            case "'": result += "&#39;"
            default: result.append(character)
            }
        }
        return result
    }
}
