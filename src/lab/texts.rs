//! What the lecture says: for each experiment a title, two sentences, and the formula.

use super::Experiment;

/// The title.
pub fn title(of: Experiment) -> &'static str {
    match of {
        Experiment::BatchSize => "Full batch, mini-batch, single samples",
        Experiment::Shuffle => "Why batches are shuffled",
        Experiment::Softmax => "Softmax against one-hot",
        Experiment::Backprop => "The error signal walks back",
        Experiment::Vanishing => "Vanishing gradients",
        Experiment::Activations => "Activations and their slopes",
        Experiment::Dropout => "Dropout: gates and an ensemble",
        Experiment::Mnist => "From a pixel to a prediction",
    }
}

/// What the lecture says, in two sentences.
pub fn lecture(of: Experiment) -> &'static str {
    match of {
        Experiment::BatchSize => {
            "Gradient descent may use all samples for one step, some, or one. The gradient of a batch is an estimate: a small batch \
             is cheap and noisy, so its path trembles, but it makes many steps while the full batch makes one."
        }
        Experiment::Shuffle => {
            "The gradient of a batch is a fair estimate only if the batch is drawn at random. If the samples come sorted by class, \
             each batch knows one class alone, and the net forgets the others."
        }
        Experiment::Softmax => {
            "Softmax turns the logits into probabilities, and the one-hot vector y says which class is true. With the cross-entropy \
             as loss, the error signal of the last layer is simply the difference of the two."
        }
        Experiment::Backprop => {
            "Forward, each unit adds up its weighted inputs and applies its activation. Backward, the error signal δ of a unit is the \
             weighted sum of those behind it times its own slope, and a weight's gradient is δ behind it times h before it."
        }
        Experiment::Vanishing => {
            "On its way back the error signal is multiplied by the weights and the slope of each layer. If these factors are below \
             one, it shrinks layer by layer until the first layers no longer learn; initial weights that keep the variance prevent it."
        }
        Experiment::Activations => {
            "Without an activation, many layers are no more than one. Its slope decides how much of the error signal passes: the \
             sigmoid's is at most a quarter, and a ReLU passes all or nothing, so that a unit can die."
        }
        Experiment::Dropout => {
            "In each step dropout closes the gate of every hidden unit with probability 1 − q, so that no unit can rely on another. \
             The whole net, with all gates open, then predicts about what the mean of all the thinned nets would."
        }
        Experiment::Mnist => {
            "A picture is a vector of pixels, and the first layer's units look for patterns in it. The last layer weighs what they \
             have found, and softmax makes probabilities of it."
        }
    }
}

/// The formula.
pub fn formula(of: Experiment) -> &'static str {
    match of {
        Experiment::BatchSize => "w ← w − η · 1/B · Σ ∇L(xᵢ, yᵢ),  the sum over the B samples of the batch",
        Experiment::Shuffle => "E[ 1/B · Σ ∇Lᵢ ] = ∇L   only if each sample is as likely as any other",
        Experiment::Softmax => "pₖ = exp(zₖ) / Σⱼ exp(zⱼ),   L = −ln pₜ,   ∂L/∂zₖ = pₖ − yₖ",
        Experiment::Backprop => "δˡ = (Wˡ⁺¹)ᵀ·δˡ⁺¹ ⊙ f′(zˡ),   ∂L/∂Wˡ = δˡ·(hˡ⁻¹)ᵀ",
        Experiment::Vanishing => "δ¹ = f′(z¹) ⊙ W²ᵀ· f′(z²) ⊙ W³ᵀ· … · δᴸ",
        Experiment::Activations => "h = f(z),   δ = f′(z) ⊙ (Wᵀ·δ of the layer behind)",
        Experiment::Dropout => "hⱼ = f(zⱼ) · mⱼ / q,   P(mⱼ = 1) = q,   so E[hⱼ] = f(zⱼ)",
        Experiment::Mnist => "p = softmax( W² · f( W¹·x + b¹ ) + b² )",
    }
}
