//! The settings that all sources of files have.

/// Adds the settings of a source whose field `files` is a [`Files`](crate::records::Files).
macro_rules! file_settings {
    ($Source:ident [$($T:ident : $Bound:path)?], $example:literal) => {
        impl<$($T: $Bound,)? A> $Source<$($T,)? A> {
            /// Of a directory, reads those files only whose paths within it match a pattern; `*` unless
            /// set.
            ///
            /// `*` stands for any part of a name, `?` for one character, `[a-f]` for one of several, and
            /// `**/` for any number of directories. Without `**` or `/`, directories are not looked into.
            pub fn pattern(mut self, pattern: impl Into<String>) -> Self {
                self.files.listing.pattern = pattern.into();
                self
            }

            /// Says that the files are those of this machine alone, or of those with the same id; it
            /// becomes part of the partitions' names.
            ///
            /// Without an id, a path means the same file on all machines, and one of them reads it.
            ///
            /// # Examples
            ///
            /// ```
            #[doc = $example]
            /// use bytewax_runtime::source::FixedPartitionedSource;
            ///
            /// let source = source("Cargo.toml").fs_id("host-1");
            /// assert_eq!(source.partitions().unwrap()[0], "host-1::Cargo.toml");
            /// ```
            pub fn fs_id(mut self, id: impl Into<String>) -> Self {
                self.files.fs_id = $crate::files::FsId::new(id.into());
                self
            }

            /// How the files are compressed. Unless set, their names say it: those that end in `.gz`,
            /// `.zst`, `.bz2` or `.xz` are.
            pub fn compression(mut self, compression: $crate::files::Compression) -> Self {
                self.files.compression = Some(compression);
                self
            }

            /// What is done with bytes that are not UTF-8. Unless set, a record that has any cannot be
            /// read.
            pub fn invalid_utf8(mut self, invalid: $crate::files::InvalidUtf8) -> Self {
                self.files.reading.invalid_utf8 = invalid;
                self
            }

            /// Has each file read by several workers, in ranges of so many bytes.
            ///
            /// Each range is a partition, so ranges are spread over the workers, and records of several
            /// ranges mix. The number is part of what is saved: it must stay the same from run to run.
            ///
            /// # Errors
            ///
            /// Compressed files, pipes and devices cannot be read in ranges.
            pub fn range_bytes(mut self, bytes: u64) -> Self {
                self.files.ranges = Some($crate::records::Ranges::new(bytes));
                self
            }
        }

        impl<$($T: $Bound)?> $Source<$($T,)? $crate::files::Strict> {
            /// Emits a `Result` for each record, so that one that cannot be read does not stop the run:
            /// see [`BadRecord`](crate::files::BadRecord), and
            /// [`split_result`](bytewax_runtime::flow::Stream::split_result) for what to do with them.
            pub fn results(self) -> $Source<$($T,)? $crate::files::Results> {
                $Source {
                    files: self.files,
                    answer: std::marker::PhantomData,
                }
            }
        }
    };
}

pub(crate) use file_settings;
