//! The diesel traits that a connection enum needs from each variant, delegated to diesel-async's wrapper.

/// Delegates diesel's traits to the wrapper in the field `$inner`. The caller defines the field's type as `Inner` and
/// its transaction manager as `InnerTransactions`. The macro defines `$transactions`. Before each query it calls
/// the method `$begins`, if one is named.
macro_rules! delegated {
    ($connection:ident, $inner:tt, $transactions:ident, $backend:ty $(, $begins:ident)?) => {
        use diesel::connection::{
            CacheSize, ConnectionSealed, Instrumentation, LoadConnection, SimpleConnection, TransactionManager,
            TransactionManagerStatus,
        };
        use diesel::expression::QueryMetadata;
        use diesel::migration::MigrationConnection;
        use diesel::query_builder::{Query, QueryFragment, QueryId};
        use diesel::result::ConnectionResult;

        impl std::fmt::Debug for $connection {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(stringify!($connection))
            }
        }

        impl SimpleConnection for $connection {
            fn batch_execute(&mut self, query: &str) -> QueryResult<()> {
                $(self.$begins();)?
                SimpleConnection::batch_execute(&mut self.$inner, query)
            }
        }

        impl ConnectionSealed for $connection {}

        /// The transaction manager.
        #[derive(Debug)]
        pub struct $transactions;

        impl TransactionManager<$connection> for $transactions {
            type TransactionStateData = <InnerTransactions as TransactionManager<Inner>>::TransactionStateData;

            fn begin_transaction(connection: &mut $connection) -> QueryResult<()> {
                InnerTransactions::begin_transaction(&mut connection.$inner)
            }

            fn rollback_transaction(connection: &mut $connection) -> QueryResult<()> {
                InnerTransactions::rollback_transaction(&mut connection.$inner)
            }

            fn commit_transaction(connection: &mut $connection) -> QueryResult<()> {
                InnerTransactions::commit_transaction(&mut connection.$inner)
            }

            fn transaction_manager_status_mut(connection: &mut $connection) -> &mut TransactionManagerStatus {
                InnerTransactions::transaction_manager_status_mut(&mut connection.$inner)
            }
        }

        impl Connection for $connection {
            type Backend = $backend;
            type TransactionManager = $transactions;

            /// Connections come from the pool, which handles TLS and timeouts.
            fn establish(_: &str) -> ConnectionResult<Self> {
                Err(diesel::ConnectionError::BadConnection("connections come from the pool".to_owned()))
            }

            fn execute_returning_count<T>(&mut self, source: &T) -> QueryResult<usize>
            where
                T: QueryFragment<$backend> + QueryId,
            {
                $(self.$begins();)?
                self.$inner.execute_returning_count(source)
            }

            fn transaction_state(&mut self) -> &mut <$transactions as TransactionManager<Self>>::TransactionStateData {
                self.$inner.transaction_state()
            }

            fn instrumentation(&mut self) -> &mut dyn Instrumentation {
                self.$inner.instrumentation()
            }

            fn set_instrumentation(&mut self, instrumentation: impl Instrumentation) {
                self.$inner.set_instrumentation(instrumentation);
            }

            fn set_prepared_statement_cache_size(&mut self, size: CacheSize) {
                self.$inner.set_prepared_statement_cache_size(size);
            }
        }

        impl LoadConnection for $connection {
            type Cursor<'conn, 'query> = <Inner as LoadConnection>::Cursor<'conn, 'query>;
            type Row<'conn, 'query> = <Inner as LoadConnection>::Row<'conn, 'query>;

            fn load<'conn, 'query, T>(&'conn mut self, source: T) -> QueryResult<Self::Cursor<'conn, 'query>>
            where
                T: Query + QueryFragment<$backend> + QueryId + 'query,
                $backend: QueryMetadata<T::SqlType>,
            {
                $(self.$begins();)?
                LoadConnection::load(&mut self.$inner, source)
            }
        }

        impl MigrationConnection for $connection {
            fn setup(&mut self) -> QueryResult<usize> {
                self.$inner.setup()
            }
        }
    };
}
