//! The example: an order placed through the ingress is in the database, and the overlay stands as production wrote it.

use std::path::Path;

use crate::harness::Project;

#[test]
fn the_shop_takes_an_order() {
    let shop = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/shop");
    let project = Project::copy_of(&shop);
    project.succeed(&["up"]);
}
