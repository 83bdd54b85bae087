// swift-tools-version: 6.2
import PackageDescription

let package = Package(
    name: "hello-embedded",
    products: [.library(name: "hello-embedded", type: .dynamic, targets: ["HelloEmbedded"])],
    dependencies: [.package(name: "plugin-host", path: "../..", traits: ["Embedded"])],
    targets: [
        .target(
            name: "HelloEmbedded",
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
