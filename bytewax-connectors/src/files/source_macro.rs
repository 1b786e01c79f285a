//! The common parts of all file sources: their settings, and how they open files.

/// Adds the settings of a source whose field `files` is a [`Files`](crate::records::Files) of these items, and makes it a
/// source.
macro_rules! file_source {
    ($Source:ident [$($T:ident : $($Bound:tt)+)?] => $Item:ty, $example:literal) => {
        impl<$($T: $($Bound)+,)? A> $Source<$($T,)? A> {
            /// Reads only those files of a directory whose paths within it match a pattern. The default is
            /// `*`.
            ///
            /// `*` stands for any part of a name, `?` for one character, `[a-f]` for one of several, and
            /// `**/` for any number of directories. Without `**` or `/`, subdirectories are skipped.
            pub fn pattern(mut self, pattern: impl Into<String>) -> Self {
                self.files.listing.pattern = pattern.into();
                self
            }

            /// Declares that the files are local to this machine, or to machines with the same id. The id
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

            /// Sets the compression of the files. By default, the extension determines it: `.gz`, `.zst`,
            /// `.bz2` or `.xz`.
            pub fn compression(mut self, compression: $crate::files::Compression) -> Self {
                self.files.compression = Some(compression);
                self
            }

            /// Sets the treatment of bytes that are not UTF-8. By default, a record with such bytes is an
            /// error.
            pub fn invalid_utf8(mut self, invalid: $crate::files::InvalidUtf8) -> Self {
                self.files.reading.invalid_utf8 = invalid;
                self
            }

            /// Sets the treatment of a last line without a line end, which another program may still be
            /// writing.
            ///
            /// By default, it [waits](crate::files::Unended::Wait) if the flow has a recovery store: a later
            /// run reads it when it is complete, and this run logs that it waits.
            /// Without a store, it is [read](crate::files::Unended::Emit) as it is. The same applies to a
            /// pipe.
            ///
            /// # Examples
            ///
            /// ```
            #[doc = $example]
            /// use bytewax_connectors::files::Unended;
            ///
            /// let source = source("Cargo.toml").unended(Unended::Emit);
            /// # let _ = source;
            /// ```
            pub fn unended(mut self, unended: $crate::files::Unended) -> Self {
                self.files.reading.unended = Some(unended);
                self
            }

            /// Lets several workers read each file, in ranges of this number of bytes.
            ///
            /// Each range is a partition, so ranges are distributed over the workers, and records of several
            /// ranges mix. The number is part of the saved position: it must stay the same from run to run.
            ///
            /// # Errors
            ///
            /// Compressed files, pipes and devices cannot be read in ranges.
            pub fn range_bytes(mut self, bytes: u64) -> Self {
                self.files.ranges = Some($crate::records::Ranges::new(bytes));
                self
            }

            /// Keeps reading the file as it grows, and through its rotations, until the run is stopped: see
            /// [`Followed`](crate::files::Followed). Call it last.
            pub fn follow(self) -> $crate::files::Followed<Self> {
                $crate::files::Followed::new(self)
            }

            /// Keeps reading new files of the directory, until the run is stopped: see
            /// [`Watched`](crate::files::Watched). Call it last.
            pub fn watch(self) -> $crate::files::Watched<Self> {
                $crate::files::Watched::new(self)
            }
        }

        impl<$($T: $($Bound)+)?> $Source<$($T,)? $crate::files::Strict> {
            /// Emits a `Result` for each record, so that an unreadable record does not stop the run: see
            /// [`BadRecord`](crate::files::BadRecord), and
            /// [`split_result`](bytewax_runtime::flow::Stream::split_result) to separate them.
            pub fn results(self) -> $Source<$($T,)? $crate::files::Results> {
                $Source {
                    files: self.files,
                    answer: std::marker::PhantomData,
                }
            }
        }

        impl<$($T: $($Bound)+,)? A> bytewax_runtime::source::FixedPartitionedSource<bytewax_runtime::delivery::Replayable>
            for $Source<$($T,)? A>
        where
            A: $crate::files::Answer<$Item>,
        {
            type Item = A::Item;
            type Position = $crate::files::FilePosition;
            type Partition = $crate::files::FilePartition<A::Item>;

            fn partitions(&self) -> Result<Vec<String>, bytewax_runtime::StepError> {
                Ok(self.files.partitions()?)
            }

            fn open(
                &self,
                partition: &str,
                resume: Option<Self::Position>,
            ) -> Result<Self::Partition, bytewax_runtime::StepError> {
                Ok(self.files.open::<A>(partition, resume)?)
            }

            fn reconcile(
                &self,
                partitions: &[&str],
                saved: &std::collections::BTreeMap<String, Self::Position>,
            ) -> Result<bytewax_runtime::source::Reconciled, bytewax_runtime::StepError> {
                Ok(self.files.reconcile(partitions, saved))
            }
        }

        impl<$($T: $($Bound)+,)? A> bytewax_runtime::source::FixedPartitionedSource<bytewax_runtime::delivery::Replayable>
            for $crate::files::Followed<$Source<$($T,)? A>>
        where
            A: $crate::files::Answer<$Item>,
        {
            type Item = A::Item;
            type Position = $crate::files::FollowPosition;
            type Partition = $crate::files::GrowingPartition<A::Item, Self::Position>;

            fn partitions(&self) -> Result<Vec<String>, bytewax_runtime::StepError> {
                Ok(self.source.files.single()?)
            }

            fn open(
                &self,
                partition: &str,
                resume: Option<Self::Position>,
            ) -> Result<Self::Partition, bytewax_runtime::StepError> {
                Ok(self.source.files.follow::<A>(partition, self.every, resume)?)
            }
        }

        impl<$($T: $($Bound)+,)? A> bytewax_runtime::source::FixedPartitionedSource<bytewax_runtime::delivery::Replayable>
            for $crate::files::Watched<$Source<$($T,)? A>>
        where
            A: $crate::files::Answer<$Item>,
        {
            type Item = A::Item;
            type Position = $crate::files::WatchPosition;
            type Partition = $crate::files::GrowingPartition<A::Item, Self::Position>;

            fn partitions(&self) -> Result<Vec<String>, bytewax_runtime::StepError> {
                Ok(self.source.files.single()?)
            }

            fn open(
                &self,
                partition: &str,
                resume: Option<Self::Position>,
            ) -> Result<Self::Partition, bytewax_runtime::StepError> {
                Ok(self.source.files.watch::<A>(partition, &self.rules, resume)?)
            }
        }
    };
}

pub(crate) use file_source;
