// swift-tools-version: 6.2
import PackageDescription

let package = Package(
    name: "plugins-embedded",
    products: [.library(name: "guarding", type: .dynamic, targets: ["Guarding"])],
    dependencies: [.package(name: "plugin-host", path: "../../..", traits: ["Embedded"])],
    targets: [
        .target(
            name: "Guarding",
            dependencies: [.product(name: "PluginKit", package: "plugin-host")],
            swiftSettings: [
                .enableExperimentalFeature("Embedded"), .unsafeFlags(["-wmo"]),
            ],
            linkerSettings: [
                .linkedLibrary("m"),
                .unsafeFlags([
                    "-enable-experimental-feature", "Embedded", "-use-ld=lld",
                    "-Xlinker", "--version-script=\(Context.packageDirectory)/exports.map",
                    "-Xlinker", "--gc-sections", "-Xlinker", "-s",
                ]),
            ])
    ]
)
