//! [`IntoList`]: one thing, an array, a vector or a tuple of things that convert.

/// What is taken where several `T` may stand: one, an array, a slice, a vector, or a tuple of different types.
pub trait IntoList<T> {
    /// In order.
    fn into_list(self) -> Vec<T>;
}

impl<T, A: Into<T>, const N: usize> IntoList<T> for [A; N] {
    fn into_list(self) -> Vec<T> {
        self.into_iter().map(Into::into).collect()
    }
}

impl<T, A: Into<T>> IntoList<T> for Vec<A> {
    fn into_list(self) -> Vec<T> {
        self.into_iter().map(Into::into).collect()
    }
}

impl<T, A: Into<T> + Clone> IntoList<T> for &[A] {
    fn into_list(self) -> Vec<T> {
        self.iter().cloned().map(Into::into).collect()
    }
}

macro_rules! tuples {
    ($($name:ident)*) => {
        impl<T, $($name: Into<T>),*> IntoList<T> for ($($name,)*) {
            fn into_list(self) -> Vec<T> {
                #[allow(non_snake_case, reason = "one binding per type parameter")]
                let ($($name,)*) = self;
                vec![$($name.into()),*]
            }
        }
    };
}

tuples!();
tuples!(A);
tuples!(A B);
tuples!(A B C);
tuples!(A B C D);
tuples!(A B C D E);
tuples!(A B C D E F);
tuples!(A B C D E F G);
tuples!(A B C D E F G H);

macro_rules! single {
    ($($type:ty),* $(,)?) => {
        $(impl<T> IntoList<T> for $type
        where
            $type: Into<T>,
        {
            fn into_list(self) -> Vec<T> {
                vec![self.into()]
            }
        })*
    };
}

single!(
    super::Var,
    super::Source,
    super::Element,
    super::Binding,
    super::Parameter,
    super::OrderKey,
    super::PullItem,
    edn::Keyword,
);

impl<'a, T> IntoList<T> for &'a str
where
    &'a str: Into<T>,
{
    fn into_list(self) -> Vec<T> {
        vec![self.into()]
    }
}
