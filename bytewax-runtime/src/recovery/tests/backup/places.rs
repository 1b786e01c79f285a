//! The places where backups are.

use std::fs;
use std::io;

use super::*;

/// What every backup does.
fn check_backup(backup: &dyn Backup) {
    assert_eq!(backup.list("orders/").unwrap(), Vec::<String>::new());
    backup.put("orders/part-0000/x", b"1").unwrap();
    backup.put("orders/store", b"2").unwrap();
    backup.put("orders2/store", b"3").unwrap();
    let taken = backup.put("orders/store", b"4").unwrap_err();
    assert_eq!(taken.kind(), io::ErrorKind::AlreadyExists);
    assert_eq!(backup.get("orders/store").unwrap(), b"2");
    let mut names = backup.list("orders/").unwrap();
    names.sort();
    assert_eq!(names, ["orders/part-0000/x", "orders/store"]);
    let names = backup.list("orders/part-0000/").unwrap();
    assert_eq!(names, ["orders/part-0000/x"]);
    backup.delete("orders/store").unwrap();
    backup.delete("orders/store").unwrap();
    let missing = backup.get("orders/store").unwrap_err();
    assert_eq!(missing.kind(), io::ErrorKind::NotFound);
    // Of many at once, one is first.
    let puts: Vec<_> = std::thread::scope(|scope| {
        let put = |byte: u8| scope.spawn(move || backup.put("orders/race", &[byte]).is_ok());
        let threads: Vec<_> = (0..8).map(put).collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap())
            .collect()
    });
    let first = puts.iter().position(|is_first| *is_first).unwrap();
    assert_eq!(puts.iter().filter(|is_first| **is_first).count(), 1);
    assert_eq!(backup.get("orders/race").unwrap(), [first as u8]);
}

#[test]
fn a_directory_is_a_backup() {
    let root = tempfile::tempdir().unwrap();
    check_backup(&FileSystemBackup::new(root.path().join("a/b")));
    let part = root.path().join("a/b/orders/part-0000");
    assert_eq!(
        fs::read_dir(&part).unwrap().count(),
        1,
        "nothing but the object is left"
    );
    // What a killed process left.
    fs::write(part.join("y.1-0.tmp"), "half").unwrap();
    let names = FileSystemBackup::new(root.path().join("a/b")).list("orders/part-0000/");
    assert_eq!(names.unwrap(), ["orders/part-0000/x"]);
}

#[cfg(feature = "object-store")]
#[test]
fn object_stores_are_backups() {
    use object_store::ObjectStore;
    use object_store::local::LocalFileSystem;
    use object_store::memory::InMemory;
    use object_store::prefix::PrefixStore;

    use crate::recovery::ObjectStoreBackup;

    let dir = tempfile::tempdir().unwrap();
    let local = LocalFileSystem::new_with_prefix(dir.path()).unwrap();
    let stores: [Arc<dyn ObjectStore>; 3] = [
        Arc::new(InMemory::new()),
        Arc::new(local),
        Arc::new(PrefixStore::new(InMemory::new(), "a/b")),
    ];
    for store in stores {
        check_backup(&ObjectStoreBackup::new(Arc::clone(&store)).unwrap());
        // A store in it.
        let backup: Arc<dyn Backup> = Arc::new(ObjectStoreBackup::new(store).unwrap());
        let made = tempfile::tempdir().unwrap();
        begin(&*backup, made.path(), "sales", Allow, 3).unwrap();
        let made = restored(&backup, made.path(), "sales").unwrap();
        let again = tempfile::tempdir().unwrap();
        begin(&*backup, again.path(), "sales", Allow, 7).unwrap();
        let again = restored(&backup, again.path(), "sales").unwrap();
        let metas = |restored: &Restored| -> Vec<_> {
            restored
                .parts
                .iter()
                .map(|part| part.meta().clone())
                .collect()
        };
        assert_eq!(metas(&made), metas(&again));
    }
    assert!(ObjectStoreBackup::at("memory:///a").is_ok());
    let error = ObjectStoreBackup::at("moon://crater").unwrap_err();
    assert!(error.to_string().contains("moon://crater"), "{error}");
}
