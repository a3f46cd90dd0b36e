//! What the examples share: the bundled package list, read the way a program would read it.

use std::path::{Path, PathBuf};

use factum::{Connection, EntityBuilder, Result};
use serde::Deserialize;

/// The schema of the package graph: names identify packages, dependencies refer to them.
pub const SCHEMA: &str = "\
{:package/name     {:db/valueType :db.type/string :db/unique :db.unique/identity}
 :package/version  {:db/valueType :db.type/string}
 :package/section  {:db/valueType :db.type/string}
 :package/priority {:db/valueType :db.type/string}
 :package/maintainer {:db/valueType :db.type/string}
 :package/summary  {:db/valueType :db.type/string}
 :package/size     {:db/valueType :db.type/long :db/doc \"bytes to download\"}
 :package/depends  {:db/valueType :db.type/ref :db/cardinality :db.cardinality/many}
 :package/tags     {:db/valueType :db.type/string :db/cardinality :db.cardinality/many}}";

/// One line of the package list.
#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Package {
    name: String,
    version: String,
    section: String,
    priority: String,
    maintainer: String,
    summary: String,
    size: i64,
    #[serde(default)]
    depends: Vec<Dependency>,
    #[serde(default)]
    pre_depends: Vec<Dependency>,
    #[serde(default)]
    tags: Vec<String>,
}

/// A name, or several of which one will do.
#[derive(Deserialize)]
#[serde(untagged)]
enum Dependency {
    One(String),
    AnyOf(Vec<String>),
}

impl Dependency {
    fn names(&self) -> &[String] {
        match self {
            Self::One(name) => std::slice::from_ref(name),
            Self::AnyOf(names) => names,
        }
    }
}

/// The bundled list of packages.
pub fn bundled() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("data/debian-base.jsonl")
}

/// Loads the bundled packages in one transaction; a package that is only depended on becomes an entity with a name.
/// Returns how many facts that made.
pub fn load_packages(conn: &Connection) -> Result<usize, Box<dyn std::error::Error>> {
    let text = std::fs::read_to_string(bundled())?;
    let packages = text.lines().map(serde_json::from_str).collect::<Result<Vec<Package>, _>>()?;
    conn.update_schema(SCHEMA)?;
    let report = conn.transact(packages.iter().map(entity).collect::<Vec<EntityBuilder>>())?;
    Ok(report.tx_data().len())
}

fn entity(package: &Package) -> EntityBuilder {
    let depends = package.depends.iter().chain(&package.pre_depends).flat_map(Dependency::names);
    EntityBuilder::new()
        .set(":package/name", package.name.as_str())
        .set(":package/version", package.version.as_str())
        .set(":package/section", package.section.as_str())
        .set(":package/priority", package.priority.as_str())
        .set(":package/maintainer", package.maintainer.as_str())
        .set(":package/summary", package.summary.as_str())
        .set(":package/size", package.size)
        .set_all(":package/tags", package.tags.iter().map(String::as_str))
        .set_all(
            ":package/depends",
            depends.map(|name| EntityBuilder::new().set(":package/name", name.as_str())),
        )
}
