use service::service;

#[service(version = 1)]
#[rustfmt::skip]
trait Many {
    fn m1(&mut self); fn m2(&mut self); fn m3(&mut self); fn m4(&mut self); fn m5(&mut self); fn m6(&mut self);
    fn m7(&mut self); fn m8(&mut self); fn m9(&mut self); fn m10(&mut self); fn m11(&mut self); fn m12(&mut self);
    fn m13(&mut self); fn m14(&mut self); fn m15(&mut self); fn m16(&mut self); fn m17(&mut self); fn m18(&mut self);
    fn m19(&mut self); fn m20(&mut self); fn m21(&mut self); fn m22(&mut self); fn m23(&mut self); fn m24(&mut self);
    fn m25(&mut self); fn m26(&mut self); fn m27(&mut self); fn m28(&mut self); fn m29(&mut self); fn m30(&mut self);
    fn m31(&mut self); fn m32(&mut self); fn m33(&mut self); fn m34(&mut self); fn m35(&mut self); fn m36(&mut self);
    fn m37(&mut self); fn m38(&mut self); fn m39(&mut self); fn m40(&mut self); fn m41(&mut self); fn m42(&mut self);
    fn m43(&mut self); fn m44(&mut self); fn m45(&mut self); fn m46(&mut self); fn m47(&mut self); fn m48(&mut self);
    fn m49(&mut self); fn m50(&mut self); fn m51(&mut self); fn m52(&mut self); fn m53(&mut self); fn m54(&mut self);
    fn m55(&mut self); fn m56(&mut self); fn m57(&mut self); fn m58(&mut self); fn m59(&mut self); fn m60(&mut self);
    fn m61(&mut self); fn m62(&mut self); fn m63(&mut self); fn m64(&mut self); fn m65(&mut self); fn m66(&mut self);
    fn m67(&mut self); fn m68(&mut self); fn m69(&mut self); fn m70(&mut self); fn m71(&mut self); fn m72(&mut self);
    fn m73(&mut self); fn m74(&mut self); fn m75(&mut self); fn m76(&mut self); fn m77(&mut self); fn m78(&mut self);
    fn m79(&mut self); fn m80(&mut self); fn m81(&mut self); fn m82(&mut self); fn m83(&mut self); fn m84(&mut self);
    fn m85(&mut self); fn m86(&mut self); fn m87(&mut self); fn m88(&mut self); fn m89(&mut self); fn m90(&mut self);
    fn m91(&mut self); fn m92(&mut self); fn m93(&mut self); fn m94(&mut self); fn m95(&mut self); fn m96(&mut self);
    fn m97(&mut self); fn m98(&mut self); fn m99(&mut self); fn m100(&mut self); fn m101(&mut self); fn m102(&mut self);
    fn m103(&mut self); fn m104(&mut self); fn m105(&mut self); fn m106(&mut self); fn m107(&mut self); fn m108(&mut self);
    fn m109(&mut self); fn m110(&mut self); fn m111(&mut self); fn m112(&mut self); fn m113(&mut self); fn m114(&mut self);
    fn m115(&mut self); fn m116(&mut self); fn m117(&mut self); fn m118(&mut self); fn m119(&mut self); fn m120(&mut self);
    fn m121(&mut self); fn m122(&mut self); fn m123(&mut self); fn m124(&mut self); fn m125(&mut self); fn m126(&mut self);
    fn m127(&mut self); fn m128(&mut self); fn m129(&mut self);
}

fn main() {}
